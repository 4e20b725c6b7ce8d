"""`http.request` against services that behave."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from tenuto.actions.http_request import HttpRequest
from tests.actions.requests import NOW, failure_of, request, result_of, wait_of
from tests.receivers import answer, receiver


@pytest.mark.parametrize(
    ("body", "content_type", "result"),
    [
        ('{"valid": true}', "application/json", {"valid": True}),
        ("[1, 2.5, null]", "application/json; charset=utf-8", [1, 2.5, None]),
        ("42", "application/problem+json", 42),
        ("42", None, 42),
        ("\ufeff{}", "application/json", {}),
        ("", "application/json", None),
        ("hello", "text/plain", "hello"),
        ("Grüße 🎼", "text/plain; charset=utf-8", "Grüße 🎼"),
        ("<p>hi</p>", "text/html", "<p>hi</p>"),
        ('{"sent": "as text"}', "text/plain", {"sent": "as text"}),
        ("0042", "text/plain", "0042"),
        ("42", "text/plain", "42"),
        ("true", "text/plain", "true"),
        ("{not json", "application/json", "{not json"),
        ("NaN", "application/json", "NaN"),
        ("1" * 40, "application/json", int("1" * 40)),
        ("1" * 5000, "application/json", "1" * 5000),
        ('{"a": Infinity}', "application/json", '{"a": Infinity}'),
        ("[1e999]", "application/json", "[1e999]"),
        ('"\\ud800"', "application/json", '"\\ud800"'),
        (b"\xe9t\xe9", "text/plain; charset=iso-8859-1", "été"),
        ('{"a": 1}'.encode("utf-16"), "application/json; charset=utf-16", {"a": 1}),
        (b"caf\xc3\xa9", "text/plain; charset=no-such-charset", "café"),
        (b"caf\xc3\xa9", "text/plain; charset=idna", "café"),
        (b"\x89PNG\xff", "image/png", {"base64": "iVBOR/8=", "contentType": "image/png"}),
        (b"\xff\xfe\xfd", "text/plain", {"base64": "//79", "contentType": "text/plain"}),
    ],
)
async def test_a_body_becomes_json_data_or_text_or_base64(
    http_request: HttpRequest, body: str | bytes, content_type: str | None, result: Any
) -> None:
    async with receiver(answer(200, body, content_type)) as service:
        assert await result_of(http_request, request({"url": service.url()})) == result


async def test_the_full_response_has_status_headers_and_body(http_request: HttpRequest) -> None:
    async def handle(_: web.Request) -> web.Response:
        made = web.Response(
            status=201, text='{"id": 7}', headers={"Content-Type": "application/json", "X-A": "1"}
        )
        made.headers.add("X-A", "2")
        made.headers.add("Set-Cookie", "a=1")
        return made

    async with receiver(handle) as service:
        full = await result_of(http_request, request({"url": service.url(), "response": "full"}))
    assert (full["status"], full["body"]) == (201, {"id": 7})
    assert full["headers"]["content-type"] == "application/json; charset=utf-8"
    assert full["headers"]["x-a"] == "1, 2"
    assert full["headers"]["set-cookie"] == ["a=1"]


async def test_a_step_tells_who_calls_and_a_repetition_carries_the_same_key(
    http_request: HttpRequest,
) -> None:
    async with receiver() as service:
        for attempt in (1, 2):
            await result_of(http_request, request({"url": service.url()}, attempt=attempt))
    first, second = (got.headers for got in service.received)
    assert first["Idempotency-Key"] == second["Idempotency-Key"] == "exec-1/charge-payment/0"
    assert first["X-Tenuto-Execution-Id"] == "exec-1"
    assert first["X-Tenuto-Step-Id"] == "charge-payment"
    assert (first["X-Tenuto-Attempt"], second["X-Tenuto-Attempt"]) == ("1", "2")
    version, trace, span, flags = first["traceparent"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert int(trace, 16) != 0
    assert int(span, 16) != 0
    assert second["traceparent"].split("-")[1] == trace
    assert second["traceparent"].split("-")[2] != span


async def test_headers_of_the_user_win_and_null_takes_one_away(http_request: HttpRequest) -> None:
    headers = {
        "idempotency-key": "mine", "X-Tenuto-Attempt": None, "User-Agent": "me", "X-Count": 3, "X-Yes": True,
        "X-Name": "Müller", "Host": "example.test",
    }  # fmt: skip
    async with receiver() as service:
        await result_of(http_request, request({"url": service.url(), "headers": headers}))
    got = service.received[0].headers
    assert got.getall("Idempotency-Key") == ["mine"]
    assert "X-Tenuto-Attempt" not in got
    assert (got["User-Agent"], got["X-Count"], got["X-Yes"], got["Host"]) == (
        "me",
        "3",
        "true",
        "example.test",
    )
    assert got["X-Name"] == "Müller"


@pytest.mark.parametrize(
    ("params", "content_type", "body"),
    [
        ({"body": {"a": [1, None]}}, "application/json", b'{"a":[1,null]}'),
        ({"body": ["ü"]}, "application/json", '["ü"]'.encode()),
        ({"body": 99.99}, "application/json", b"99.99"),
        ({"body": False}, "application/json", b"false"),
        ({"body": "plain ü"}, "text/plain; charset=utf-8", "plain ü".encode()),
        ({"body": "<a/>", "headers": {"content-type": "application/xml"}}, "application/xml", b"<a/>"),
        (
            {"body": {"a": "x y", "n": 1}, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            "application/x-www-form-urlencoded",
            b"a=x+y&n=1",
        ),
    ],
)
async def test_objects_are_sent_as_json_and_texts_as_they_are(
    http_request: HttpRequest, params: dict[str, Any], content_type: str, body: bytes
) -> None:
    async with receiver() as service:
        await result_of(http_request, request({"url": service.url(), "method": "POST", **params}))
    got = service.received[0]
    assert (got.body, got.headers.getall("Content-Type")) == (body, [content_type])


async def test_a_post_without_body_sends_none(http_request: HttpRequest) -> None:
    async with receiver() as service:
        await result_of(http_request, request({"url": service.url(), "method": "post"}))
    got = service.received[0]
    assert (got.method, got.body, got.headers["Content-Length"]) == ("POST", b"", "0")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_get_and_head_send_no_body(http_request: HttpRequest, method: str) -> None:
    async with receiver() as service:
        assert (
            await result_of(http_request, request({"url": service.url(), "method": method, "body": {}}))
            is None
        )
    assert service.received[0].body == b""
    assert "Content-Type" not in service.received[0].headers


async def test_query_is_added_to_what_the_url_has(http_request: HttpRequest) -> None:
    query = {"q": "a b&c", "n": 10, "ok": True, "many": ["x", 2], "none": None, "ü": "é"}
    async with receiver() as service:
        await result_of(http_request, request({"url": service.url("/find?page=1#top"), "query": query}))
    assert service.received[0].path == "/find?page=1&q=a+b%26c&n=10&ok=true&many=x&many=2&%C3%BC=%C3%A9"


async def test_an_encoded_path_arrives_as_it_was_written(http_request: HttpRequest) -> None:
    async with receiver() as service:
        await result_of(http_request, request({"url": service.url("/a%2Fb/c%20d?sig=x%2By%3D")}))
    assert service.received[0].path == "/a%2Fb/c%20d?sig=x%2By%3D"


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"auth": {"type": "bearer", "token": "t0ken"}}, "Bearer t0ken"),
        ({"auth": {"type": "basic", "username": "ann", "password": "pß:"}}, "Basic YW5uOnDDnzo="),
        ({"headers": {"authorization": "Custom x"}}, "Custom x"),
    ],
)
async def test_auth_becomes_the_authorization_header(
    http_request: HttpRequest, params: dict[str, Any], sent: str
) -> None:
    async with receiver() as service:
        await result_of(http_request, request({"url": service.url(), **params}))
    assert service.received[0].headers.getall("Authorization") == [sent]


async def test_user_and_password_in_the_url_are_sent_but_never_shown(http_request: HttpRequest) -> None:
    async with receiver(answer(500)) as service:
        url = service.url("/x?token=hidden").replace("http://", "http://ann:pa%3Ass@")
        failure = await failure_of(http_request, request({"url": url}))
    assert service.received[0].headers["Authorization"] == "Basic YW5uOnBhOnNz"
    assert failure.error.message == f"GET {service.url('/x')} answered 500 Internal Server Error"


async def test_an_error_status_shows_what_the_service_said(http_request: HttpRequest) -> None:
    async with receiver(answer(402, '{"code": "declined",\n "why": "no money"}')) as service:
        failure = await failure_of(http_request, request({"url": service.url(), "method": "POST"}))
    assert failure.error.type == "http.402"
    assert failure.error.message == (
        f'POST {service.url()} answered 402 Payment Required: {{"code": "declined", "why": "no money"}}'
    )
    assert failure.error.details == {"status": 402, "body": {"code": "declined", "why": "no money"}}
    assert failure.retry_after_ms is None


async def test_of_a_long_error_body_only_the_start_is_kept(http_request: HttpRequest) -> None:
    async with receiver(answer(500, "x" * 1_000_000, "text/html")) as service:
        failure = await failure_of(http_request, request({"url": service.url()}))
    assert failure.error.details == {"status": 500, "body": "x" * 2000}
    assert len(failure.error.message) < 500


async def test_an_unknown_status_fails_with_its_number(http_request: HttpRequest) -> None:
    async with receiver(answer(599, b"\x00\x01", "application/octet-stream")) as service:
        failure = await failure_of(http_request, request({"url": service.url()}))
    assert (failure.error.type, failure.error.message) == ("http.599", f"GET {service.url()} answered 599")


@pytest.mark.parametrize(("status", "wish"), [(429, 7000), (503, 7000), (500, None)])
async def test_retry_after_in_seconds_is_passed_on_for_429_and_503(
    http_request: HttpRequest, status: int, wish: int | None
) -> None:
    async with receiver(answer(status, headers={"Retry-After": "7"})) as service:
        assert (await failure_of(http_request, request({"url": service.url()}))).retry_after_ms == wish


async def test_retry_after_as_a_date_is_counted_from_now(http_request: HttpRequest) -> None:
    # The date lies an hour ahead; the call itself takes a few of those milliseconds.
    when = format_datetime(datetime.fromtimestamp(NOW / 1000 + 3600, UTC), usegmt=True)
    async with receiver(answer(429, headers={"Retry-After": when})) as service:
        wish = (await failure_of(http_request, request({"url": service.url()}))).retry_after_ms
    assert wish is not None
    assert 0 < wish <= 3_600_000


@pytest.mark.parametrize(
    ("expected", "status", "does"),
    [
        (404, 404, True), ("404", 404, True), ("2xx", 204, True), ("4XX", 418, True), ([200, "4xx"], 404, True),
        (404, 200, False), ([201], 200, False), ("2xx", 302, False),
    ],
)  # fmt: skip
async def test_expect_status_says_which_answers_are_success(
    http_request: HttpRequest, expected: Any, status: int, does: bool
) -> None:
    async with receiver(answer(status)) as service:
        made = request({"url": service.url(), "expectStatus": expected})
        if does:
            await result_of(http_request, made)
        else:
            assert (await failure_of(http_request, made)).error.type == f"http.{status}"


async def _redirect_home(request_: web.Request) -> web.Response:
    if request_.path == "/home":
        return web.Response(text="home")
    return web.Response(status=302, headers={"Location": "/home"})


async def test_a_redirect_is_not_followed_unless_asked(http_request: HttpRequest) -> None:
    async with receiver(_redirect_home) as service:
        failure = await failure_of(http_request, request({"url": service.url("/old")}))
        assert failure.error.type == "http.302"
        assert "redirects: true" in failure.error.message
        assert len(service.received) == 1
        assert (
            await result_of(http_request, request({"url": service.url("/old"), "redirects": True})) == "home"
        )


async def test_redirects_end_at_the_number_asked_for(http_request: HttpRequest) -> None:
    async with receiver(answer(302, headers={"Location": "/again"})) as service:
        failure = await failure_of(http_request, request({"url": service.url(), "redirects": 3}))
    assert failure.error.type == "network"
    assert "redirected more often" in failure.error.message
    assert len(service.received) == 4


async def test_a_redirect_to_another_host_does_not_carry_credentials(http_request: HttpRequest) -> None:
    async with receiver(answer(200, '"there"')) as other, receiver() as service:
        service.handler = answer(307, headers={"Location": other.url("/x")})
        made = {"url": service.url(), "redirects": True, "auth": {"type": "bearer", "token": "t"}}
        assert await result_of(http_request, request(made)) == "there"
    assert "Authorization" in service.received[0].headers
    assert "Authorization" not in other.received[0].headers


async def test_a_redirect_to_a_file_is_refused(http_request: HttpRequest) -> None:
    async with receiver(answer(302, headers={"Location": "file:///etc/passwd"})) as service:
        failure = await failure_of(http_request, request({"url": service.url(), "redirects": True}))
    assert failure.error.type == "network"
    assert "not an http or https URL" in failure.error.message


async def test_calls_one_after_another_share_a_connection(http_request: HttpRequest) -> None:
    async with receiver(answer(200, "{}")) as service:
        for _ in range(3):
            await result_of(http_request, request({"url": service.url()}))
    assert len({id(got.connection) for got in service.received}) == 1


async def test_cookies_of_one_call_are_not_sent_with_the_next(http_request: HttpRequest) -> None:
    async with receiver(answer(200, headers={"Set-Cookie": "session=of-somebody-else"})) as service:
        for _ in range(2):
            await result_of(http_request, request({"url": service.url()}))
    assert "Cookie" not in service.received[1].headers


async def test_packed_answers_are_unpacked(http_request: HttpRequest) -> None:
    packed = gzip.compress(b'{"packed": true}')
    async with receiver(answer(200, packed, headers={"Content-Encoding": "gzip"})) as service:
        assert await result_of(http_request, request({"url": service.url()})) == {"packed": True}


async def test_cancelling_an_attempt_closes_its_connection(http_request: HttpRequest) -> None:
    closed = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()
        raise AssertionError

    async with receiver(hang) as service:
        attempt = asyncio.ensure_future(result_of(http_request, request({"url": service.url()})))
        await service.arrived(1)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await closed.wait()
        # The pool is none the worse: the next call has a connection of its own.
        service.handler = answer(200, '"fine"')
        assert await result_of(http_request, request({"url": service.url()})) == "fine"
    assert service.received[0].connection is not service.received[1].connection


async def test_a_hundred_calls_at_once_all_get_their_own_answer(http_request: HttpRequest) -> None:
    async def echo(got: web.Request) -> web.Response:
        return web.json_response({"n": int(got.query["n"])})

    async with receiver(echo) as service:
        made = [request({"url": service.url(), "query": {"n": n}}) for n in range(100)]
        results = await asyncio.gather(*(result_of(http_request, each) for each in made))
    assert results == [{"n": n} for n in range(100)]


@pytest.mark.parametrize(("timeout", "until"), [(None, None), (0, None), (5000, NOW + 5000)])
async def test_with_a_callback_an_expected_answer_only_begins_the_wait(
    http_request: HttpRequest, timeout: int | None, until: int | None
) -> None:
    async with receiver(answer(202, "x" * 2_000_000)) as service:
        params = {"url": service.url(), "completion": "callback", "timeout": timeout}
        wait = await wait_of(http_request, request(params))
    assert (wait.waiting_for, wait.until, wait.on_time) == ("callback", until, "fail")


async def test_with_a_callback_an_unexpected_answer_fails_as_ever(http_request: HttpRequest) -> None:
    async with receiver(answer(503, "later")) as service:
        failed = await failure_of(http_request, request({"url": service.url(), "completion": "callback"}))
    assert failed.error.type == "http.503"


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"completion": "answer"}, "`completion` must be `callback`, not 'answer'"),
        ({"completion": "callback", "timeout": "soon"}, "`timeout` must be a number of milliseconds"),
        ({"timeout": 5000}, "the step's own `timeout` bounds an attempt"),
    ],
)
async def test_a_timeout_is_one_of_the_callback_only(
    http_request: HttpRequest, params: dict[str, Any], part: str
) -> None:
    failed = await failure_of(http_request, request({"url": "http://127.0.0.1:1/", **params}))
    assert (failed.error.type, part in failed.error.message) == ("invalid-params", True), failed
