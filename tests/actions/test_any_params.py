"""No params, however odd, make an action raise: they end as an outcome that names them."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.actions.approval import Approval
from tenuto.actions.condition import Condition
from tenuto.actions.custom import CustomExecutor
from tenuto.actions.delay import Delay
from tenuto.actions.finish import Finish
from tenuto.actions.http_client import HttpCaller
from tenuto.actions.http_request import HttpRequest
from tenuto.actions.noop import Noop
from tenuto.actions.set_vars import Set
from tenuto.actions.signal_wait import SignalWait
from tenuto.actions.threads import Threads
from tenuto.actions.transform import Transform
from tenuto.actions.webhook import Webhook
from tenuto.ports.action import Action, Failed, Finished, Succeeded, Waiting
from tests.actions.requests import outcome_of, request
from tests.actions.scripts import FakeScripts

NAMES = (
    "url", "method", "headers", "query", "body", "auth", "response", "expectStatus", "redirects", "payload", "duration",
    "until", "inputKey", "input", "code", "expression", "result", "completion", "timeout", "values", "status", "output",
    "message", "name", "schema", "title", "details", "form", "approvers", "minApprovals", "onTimeout",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from([
        "http://127.0.0.1:1/", "http://x\x00/", "http://[", "https://\ud7ff/", "//", "GET", "2xx", "full", "1e999", "-0",
        "2030-01-31T09:00:00Z", "9999999999999-01-01", "nan", "http://127.0.0.1:1/?q=\x7f", "http://é.invalid:1",
    ]),
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
PARAMS = st.dictionaries(st.one_of(st.sampled_from(NAMES), TEXTS), VALUES, max_size=5)


def actions(http: HttpCaller) -> list[Action]:
    scripts = FakeScripts()
    calls: list[Action] = [HttpRequest(http), Webhook(http), Transform(scripts), Condition(scripts)]
    return [Noop(), Delay(), *calls, Set(), Finish(), SignalWait(), Approval()]


async def end_all(params: dict[str, Any]) -> None:
    http = HttpCaller(socket_factory=_refuse)
    for action in actions(http):
        own = {name: value for name, value in params.items() if name in vars(type(action))["known"]}
        for given_params in (params, own, own | {"url": "http://127.0.0.1:1/"}, own | {"name": "a"}):
            outcome = await outcome_of(action, request(given_params))
            assert isinstance(outcome, Succeeded | Failed | Waiting | Finished)
            if isinstance(outcome, Failed):
                assert outcome.error.message
                outcome.error.message.encode()
    await http.close()


def _refuse(_address: Any) -> Any:
    raise PermissionError("no connection is made here")


@settings(max_examples=150, deadline=None)
@given(PARAMS)
def test_every_action_ends_in_an_outcome(params: dict[str, Any]) -> None:
    asyncio.run(end_all(params))


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_whatever_an_executor_returns_is_kept_exactly_or_refused(value: Any) -> None:
    async def attempt() -> None:
        async def give(params: dict[str, Any], context: Any) -> Any:
            return value

        outcome = await CustomExecutor("give", give, Threads()).run(request())
        if isinstance(outcome, Succeeded):
            assert outcome.result == value
        else:
            assert isinstance(outcome, Failed)
            assert outcome.error.type == "invalid-output"
            assert "nan" in outcome.error.message or "inf" in outcome.error.message

    asyncio.run(attempt())
