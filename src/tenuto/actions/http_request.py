"""`http.request`: calls a service and returns what it answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from tenuto.actions.body import decode_body
from tenuto.actions.call_params import build_call, shown
from tenuto.actions.http_client import HARD_LIMIT, Answer, Call, HttpCaller
from tenuto.actions.http_failure import ERROR_BODY_LIMIT, http_failure
from tenuto.actions.json_data import RESULT_LIMIT, TooDeep, bounded_result
from tenuto.actions.params import BadParams, describe, latest, optional, refuse_unknown
from tenuto.core.events import StepError
from tenuto.ports.action import ActionRequest, Failed, Outcome, Waiting

_STATUS_CLASS = re.compile(r"[1-5]xx")


class HttpRequest:
    """Sends one request; an answer that is not expected (2xx, or `expectStatus`) is a failure `http.<status>`. With
    `completion: "callback"` the step then waits until the service reports to `step.callbackUrl`, at most `timeout` ms."""

    name = "http.request"
    scripts: frozenset[str] = frozenset()
    known = frozenset({
        "url", "method", "headers", "query", "body", "auth", "response", "expectStatus", "redirects", "completion", "timeout",
    })  # fmt: skip

    def __init__(self, caller: HttpCaller, result_limit: int = RESULT_LIMIT) -> None:
        self._caller = caller
        self._result_limit = min(result_limit, HARD_LIMIT)

    async def run(self, request: ActionRequest) -> Outcome:
        try:
            wait = _wait(request)
            refuse_unknown(request.params, self.known if wait is not None else self.known - {"timeout"})
            is_expected = expected_status(request.params)
            is_full = _wants_full(request.params)
            call = build_call(request, request.params.get("body"), default_method="GET")
        except BadParams as problem:
            return problem.failed()
        return await self._perform(request, call, is_expected, is_full, wait)

    async def _perform(
        self,
        request: ActionRequest,
        call: Call,
        is_expected: Callable[[int], bool],
        is_full: bool,
        wait: Waiting | None,
    ) -> Outcome:
        started = asyncio.get_running_loop().time()
        wanted = 0 if wait is not None else self._result_limit
        answer = await self._caller.call(
            call, lambda status: wanted if is_expected(status) else ERROR_BODY_LIMIT
        )
        if isinstance(answer, Failed):
            return answer
        if not is_expected(answer.status):
            elapsed_ms = round((asyncio.get_running_loop().time() - started) * 1000)
            return http_failure(call, answer, request.now + elapsed_ms)
        return self._result(call, answer, is_full) if wait is None else wait

    def _result(self, call: Call, answer: Answer, is_full: bool) -> Outcome:
        if not answer.is_whole:
            return Failed(
                StepError(
                    "limit",
                    f"The answer of {shown(call.url)} is larger than {self._result_limit:,} bytes, the most a result "
                    "may have; ask for less, or have the service store it and return where it is",
                )
            )
        try:
            body = decode_body(answer.body, answer.content_type)
        except TooDeep as problem:
            return Failed(StepError("limit", f"The answer of {shown(call.url)} {problem}"))
        return bounded_result(_full(answer, body) if is_full else body, self._result_limit)


def expected_status(params: Mapping[str, Any]) -> Callable[[int], bool]:
    """What `expectStatus` accepts: a status, a class as `2xx`, or a list of either. Raises BadParams."""
    expected = params.get("expectStatus")
    if expected is None:
        return lambda status: 200 <= status <= 299
    items = expected if isinstance(expected, list) else [expected]
    accepted = frozenset(_status_pattern(item) for item in items)
    if not accepted:
        raise BadParams("`expectStatus` is an empty list, so no answer could do")
    return lambda status: str(status) in accepted or f"{status // 100}xx" in accepted


def _status_pattern(item: Any) -> str:
    if isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599:
        return str(item)
    if isinstance(item, str) and item.isascii() and item.isdigit() and 100 <= int(item[:4]) <= 599:
        return item
    if isinstance(item, str) and _STATUS_CLASS.fullmatch(item.lower()):
        return item.lower()
    raise BadParams(
        f"`expectStatus` must be a status (404), a class (2xx) or a list of them, not {describe(item)}"
    )


def _wait(request: ActionRequest) -> Waiting | None:
    """What follows an expected answer, where the service reports later. Raises BadParams."""
    completion = request.params.get("completion")
    if completion is None:
        return None
    if completion != "callback":
        raise BadParams(f"`completion` must be `callback`, not {describe(completion)}")
    return Waiting(latest(request.params, request.now), waiting_for="callback", on_time="fail")


def _wants_full(params: Mapping[str, Any]) -> bool:
    response = optional(params, "response", str, "`body` or `full`", "body")
    if response not in ("body", "full"):
        raise BadParams(f"`response` must be `body` or `full`, not {describe(response)}")
    return bool(response == "full")


def _full(answer: Answer, body: Any) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    for name in dict.fromkeys(name.lower() for name in answer.headers):
        values = answer.headers.getall(name)
        # Set-Cookie alone cannot be joined by commas, so it is always a list.
        headers[name] = values if name == "set-cookie" else ", ".join(values)
    return {"status": answer.status, "headers": headers, "body": body}
