"""Params of outgoing calls that cannot be used, and what the failure says."""

from __future__ import annotations

from typing import Any

import pytest

from tenuto.actions.http_client import HttpCaller
from tenuto.actions.http_request import HttpRequest
from tenuto.actions.trace_headers import traceparent
from tenuto.actions.webhook import Webhook
from tests.actions.requests import failure_of, request

URL = "http://127.0.0.1:9/x"


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({}, "`url` is missing"),
        ({"url": None}, "`url` must be an http or https URL, not null"),
        ({"url": 7}, "not 7"),
        ({"url": ""}, "absolute http or https URL"),
        ({"url": "/relative"}, "absolute http or https URL"),
        ({"url": "localhost:3000/x"}, "http or https"),
        ({"url": "ftp://host/x"}, "http or https"),
        ({"url": "file:///etc/passwd"}, "http or https"),
        ({"url": "http://"}, "`url`"),
        ({"url": "http:///x"}, "`url`"),
        ({"url": "http://host:99999/"}, "`url` is not a URL"),
        ({"url": "http://host:port/"}, "`url` is not a URL"),
        ({"url": "http://[::1/"}, "`url` is not a URL"),
        ({"url": "http://host/a\r\nX: y"}, "line break"),
        ({"url": "http://host/" + "a" * 8192}, "at most 8192"),
        ({"url": URL, "methd": "POST"}, "no param `methd`"),
        ({"url": URL, "timeout": 5}, "the step's own `timeout`"),
        ({"url": URL, "method": 5}, "`method` must be an HTTP method"),
        ({"url": URL, "method": "GET /x HTTP/1.1\r\n"}, "`method`"),
        ({"url": URL, "method": "CONNECT"}, "`method`"),
        ({"url": URL, "headers": []}, "`headers` must be an object"),
        ({"url": URL, "headers": {"a b": "c"}}, "cannot be a header's name"),
        ({"url": URL, "headers": {"": "c"}}, "cannot be a header's name"),
        ({"url": URL, "headers": {"A": "c\r\nB: d"}}, "`headers.A` has a line break"),
        ({"url": URL, "headers": {"A": "\0"}}, "`headers.A` has a line break"),
        ({"url": URL, "headers": {"A": ["b"]}}, "`headers.A` must be a text, number or boolean"),
        ({"url": URL, "headers": {"A": "1", "a": "2"}}, "twice"),
        ({"url": URL, "headers": {"Content-Length": "5"}}, "`headers.Content-Length` cannot be set"),
        ({"url": URL, "headers": {"transfer-encoding": "chunked"}}, "cannot be set"),
        ({"url": URL, "query": "a=b"}, "`query` must be an object"),
        ({"url": URL, "query": {"a": {}}}, "`query.a` must be a text, number or boolean"),
        ({"url": URL, "auth": "token"}, "`auth` must be an object"),
        ({"url": URL, "auth": {"type": "digest"}}, "`auth` must be"),
        ({"url": URL, "auth": {"type": "bearer"}}, "`auth` must be"),
        ({"url": URL, "auth": {"type": "bearer", "token": "t", "user": "u"}}, "`auth` must be"),
        ({"url": URL, "auth": {"type": "bearer", "token": "t\n"}, "headers": {"authorization": "x"}}, "in one place"),
        ({"url": "http://u:p@h/", "auth": {"type": "bearer", "token": "t"}}, "in one place"),
        ({"url": URL, "auth": {"type": "basic", "username": "a:b", "password": ""}}, "colon"),
        ({"url": URL, "response": "status"}, "`response` must be `body` or `full`"),
        ({"url": URL, "expectStatus": 42}, "`expectStatus`"),
        ({"url": URL, "expectStatus": "ok"}, "`expectStatus`"),
        ({"url": URL, "expectStatus": True}, "`expectStatus`"),
        ({"url": URL, "expectStatus": []}, "empty list"),
        ({"url": URL, "redirects": -1}, "`redirects`"),
        ({"url": URL, "redirects": 1000}, "`redirects`"),
        ({"url": URL, "redirects": "yes"}, "`redirects`"),
        (
            {"url": URL, "method": "POST", "body": [1], "headers": {"content-type": "application/x-www-form-urlencoded"}},
            "`body` must be an object",
        ),
    ],
)  # fmt: skip
async def test_params_that_cannot_be_used_fail_the_attempt_with_what_would_do(
    http_request: HttpRequest, params: dict[str, Any], part: str
) -> None:
    failure = await failure_of(http_request, request(params))
    assert failure.error.type == "invalid-params"
    assert part in failure.error.message


async def test_a_host_name_that_cannot_exist_fails_the_attempt(http_request: HttpRequest) -> None:
    for host in ("a" * 64 + ".invalid", "a..invalid", "ä" * 60 + ".invalid"):
        failure = await failure_of(http_request, request({"url": f"http://{host}/"}))
        assert failure.error.type in ("network", "invalid-params"), host


async def test_a_password_is_not_repeated_when_the_url_is_refused(http_request: HttpRequest) -> None:
    failure = await failure_of(http_request, request({"url": "http://u:hidden@host:port/"}))
    assert "hidden" not in failure.error.message


async def test_a_webhook_refuses_params_it_does_not_have() -> None:
    failure = await failure_of(Webhook(HttpCaller()), request({"url": URL, "body": {}}))
    assert failure.error.type == "invalid-params"
    assert "`body`" in failure.error.message


def test_traces_of_different_executions_and_attempts_differ() -> None:
    made = {
        traceparent(execution, f"{execution}/{step}/0", attempt)
        for execution in ("a", "b")
        for step in ("s", "t")
        for attempt in (1, 2)
    }
    assert len(made) == 8
    assert len({each.split("-")[1] for each in made}) == 2
