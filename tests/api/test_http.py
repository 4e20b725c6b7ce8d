"""What the server does with requests that are wrong as HTTP: always the right status, always a problem document, never
a 5xx, nothing half-done."""

import msgspec
import pytest

from tenuto.api.app import create_app
from tenuto.api.docs import ALL_ROUTES
from tenuto.api.limits import Limits
from tenuto.bootstrap import Engine
from tenuto.errors import LeaseLost, Overloaded, StoreUnavailable
from tests.api.client import Client, Reply
from tests.api.conftest import CHAIN

JSON = {"content-type": "application/json"}


def problem(reply: Reply) -> dict[str, object]:
    assert reply.headers["content-type"] == "application/problem+json"
    told: dict[str, object] = reply.json()
    assert set(told) == {"type", "title", "status", "detail", "errors", "error"}
    assert told["status"] == reply.status
    assert told["error"] == told["detail"]
    return told


async def test_a_path_that_is_not_there(client: Client) -> None:
    reply = await client.get("/workflow")
    assert reply.status == 404
    assert problem(reply)["detail"] == "There is nothing at /workflow; GET /openapi.json lists every call."


@pytest.mark.parametrize(
    "path",
    ["//", "/executions/", "/executions//journal", "/executions/a/b", "/EXECUTIONS", "/a%2Fb", "/%00", "/☃"],
)
async def test_odd_paths_are_not_there(client: Client, path: str) -> None:
    reply = await client.get(path)
    assert reply.status == 404
    problem(reply)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/workflows", "GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/workflows/w", "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE", "/executions/e", "GET, HEAD, OPTIONS"),
        ("GET", "/executions/e/cancel", "OPTIONS, POST"),
        ("GET", "/executions/start", "OPTIONS, POST"),
        ("TRACE", "/healthz", "GET, HEAD, OPTIONS"),
        ("BREW", "/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: Client, method: str, path: str, allow: str
) -> None:
    reply = await client.ask(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    assert allow in str(problem(reply)["detail"])


async def test_every_route_answers_options_with_its_methods(client: Client) -> None:
    for route in ALL_ROUTES:
        path = route.path.replace("{", "").replace("}", "").replace("messageId", "1")
        reply = await client.ask("OPTIONS", path)
        assert (reply.status, reply.body) == (204, b"")
        assert route.method in reply.headers["allow"]
    assert (await client.ask("OPTIONS", "/nope")).status == 404


async def test_head_is_get_without_the_body(client: Client, chain: str) -> None:
    for path in ("/workflows", "/healthz", "/metrics", "/docs", "/workflows/nope"):
        got, head = await client.get(path), await client.ask("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_head_of_a_stream_does_not_stream(client: Client, chain: str) -> None:
    started = await client.post("/executions/start", {"workflowId": "chain"})
    head = await client.ask("HEAD", f"{started.headers['location']}/events")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (
            "application/x-www-form-urlencoded",
            "The body is declared as a form, as curl -d does by itself; add -H 'Content-Type: application/json'.",
        ),
        (
            "application/toml",
            "The body must be JSON with Content-Type: application/json, not application/toml.",
        ),
        ("text/plain", "The body must be JSON with Content-Type: application/json, not text/plain."),
        ("application/json; charset=latin-1", "The body must be UTF-8, not latin-1."),
        ("", "The body must be JSON with Content-Type: application/json, not nothing."),
    ],
)
async def test_a_body_of_another_type_is_told_what_to_send(client: Client, declared: str, words: str) -> None:
    reply = await client.post("/workflows", body=b"{}", headers={"content-type": declared})
    assert reply.status == 415
    assert problem(reply)["detail"] == words


@pytest.mark.parametrize(
    "declared",
    [
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/vnd.workflow+json",
        None,
    ],
)
async def test_json_by_any_of_its_names_is_read(client: Client, declared: str | None) -> None:
    headers = {} if declared is None else {"content-type": declared}
    reply = await client.post("/workflows", body=msgspec.json.encode(CHAIN), headers=headers)
    assert reply.status == 201


async def test_a_compressed_body_is_refused(client: Client) -> None:
    reply = await client.post("/workflows", body=b"\x1f\x8b", headers=JSON | {"content-encoding": "gzip"})
    assert reply.status == 415
    assert problem(reply)["detail"] == "Compressed bodies are not read; send the body as it is."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b'{"a":1}}',
        b'{"a":1,}',
        b"{'a':1}",
        b"nul",
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 200 + b"]" * 200,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"\x00",
    ],
)
@pytest.mark.parametrize(
    "path", ["/workflows", "/workflows/validate", "/executions/start", "/executions/e/cancel"]
)
async def test_what_is_not_json_is_refused_with_a_sentence(client: Client, path: str, body: bytes) -> None:
    reply = await client.post(path, body=body, headers=JSON)
    if path.endswith("cancel") and not body:
        assert reply.status == 404
        return
    assert reply.status == 400
    told = problem(reply)
    assert str(told["detail"]).endswith(".")
    assert told["errors"]


async def test_a_depth_bomb_is_refused(client: Client) -> None:
    reply = await client.post("/executions/start", body=b"[" * 1_000_000, headers=JSON)
    assert (reply.status, reply.json()["errors"][0]["code"]) == (400, "too_deep")


async def test_a_key_that_stands_twice_in_a_definition_is_refused(client: Client) -> None:
    reply = await client.post("/workflows", body=b'{"id":"w","id":"v","steps":[{"id":"a"}]}', headers=JSON)
    assert (reply.status, reply.json()["errors"][0]["code"]) == (400, "duplicate_key")


async def test_odd_keys_in_a_context_are_ordinary_keys(client: Client, chain: str) -> None:
    context = {"__proto__": {"x": 1}, "constructor": 1, "": 2, "\u0000": 3, "☃": "\U0001f600", "a.b": 4}
    reply = await client.post("/executions/start?wait=20000", {"workflowId": "chain", "context": context})
    assert reply.json()["context"] == context | {"a": None, "b": None}


@pytest.fixture
def small(engine: Engine) -> Client:
    """An application that takes bodies of 100 bytes."""
    return Client(
        create_app(
            engine.node,
            schedules=engine.schedules,
            bulk=engine.bulk,
            clock=engine.clock,
            limits=Limits(body_bytes=100),
        )
    )


async def test_a_body_that_says_it_is_too_large_is_not_read(small: Client) -> None:
    reply = await small.post("/workflows", body=b"", headers=JSON | {"content-length": "101"})
    assert reply.status == 413
    assert problem(reply)["detail"] == "The body has more than 100 bytes, the most that is taken."


async def test_a_body_that_turns_out_too_large_is_not_read_to_its_end(small: Client) -> None:
    sent: list[dict[str, int]] = []
    taken = 0

    async def receive() -> object:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * 60, "more_body": True}

    async def send(message: dict[str, int]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/workflows", "query_string": b"", "headers": []}
    await small.app(scope, receive, send)  # type: ignore[arg-type]
    assert (sent[0]["status"], taken) == (413, 2)


async def test_a_body_that_lies_about_its_length_is_too_large_all_the_same(small: Client) -> None:
    reply = await small.post("/workflows", body=b" " * 500, headers=JSON | {"content-length": "5"})
    assert reply.status == 413


async def test_a_body_in_pieces_is_read_whole(client: Client) -> None:
    body = msgspec.json.encode(CHAIN)
    reply = await client.post("/workflows", chunks=[bytes([byte]) for byte in body], headers=JSON)
    assert reply.status == 201


async def test_a_client_that_leaves_in_the_middle_of_its_body_does_nothing(client: Client) -> None:
    sent: list[object] = []
    parts = iter(
        [{"type": "http.request", "body": b'{"id":', "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> object:
        return next(parts)

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/workflows", "query_string": b"", "headers": []}
    await client.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent == []
    assert (await client.get("/workflows")).json() == []


async def test_a_huge_header_and_many_headers_do_no_harm(client: Client) -> None:
    headers = {f"x-{i}": "y" * 1000 for i in range(1000)}
    assert (await client.get("/healthz", headers=headers)).status == 200


async def test_parameters_where_none_are_taken_are_refused(client: Client) -> None:
    reply = await client.get("/healthz?verbose=1")
    assert reply.status == 400
    assert reply.json()["errors"][0]["message"] == "This call has no such parameter; it takes none."


class FailingHost:
    """Raises the same from everything it is asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> object:
        async def fail(*args: object) -> object:
            raise self.error

        return fail


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (StoreUnavailable("the disk is full"), 503, "1"),
        (LeaseLost("another node owns it"), 503, "1"),
        (Overloaded("too many executions", 7), 429, "7"),
    ],
)
async def test_trouble_of_the_server_says_when_to_come_back(
    engine: Engine, error: Exception, status: int, retry_after: str
) -> None:
    host = FailingHost(error)
    client = Client(create_app(host, schedules=engine.schedules, bulk=engine.bulk, clock=engine.clock))  # type: ignore[arg-type]
    for reply in (
        await client.post("/executions/start", {"workflowId": "w"}),
        await client.get("/readyz"),
        await client.get("/executions/e"),
    ):
        assert (reply.status, reply.headers["retry-after"]) == (status, retry_after)
        assert str(error) in str(problem(reply)["detail"]).lower()


async def test_a_fault_of_the_server_tells_nothing_of_its_inside(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    host = FailingHost(ZeroDivisionError("secret 42"))
    client = Client(create_app(host, schedules=engine.schedules, bulk=engine.bulk, clock=engine.clock))  # type: ignore[arg-type]
    reply = await client.get("/executions/e")
    assert reply.status == 500
    assert problem(reply)["detail"] == "Something went wrong in the server; its log says more."
    assert "ZeroDivisionError" in "".join(capsys.readouterr())


async def test_a_websocket_is_closed(client: Client) -> None:
    sent: list[object] = []

    async def receive() -> object:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await client.app({"type": "websocket"}, receive, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_the_lifespan_protocol_is_answered(client: Client) -> None:
    sent: list[dict[str, str]] = []
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> object:
        return next(asked)

    async def send(message: dict[str, str]) -> None:
        sent.append(message)

    await client.app({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
