"""Requests that nobody should send, as (method, path, body, headers), and bytes that are no requests at all."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

JSON = "application/json"


class Request(NamedTuple):
    """One request as it goes out."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON


def workflow(*steps: Any, **fields: Any) -> bytes:
    """A definition with these steps."""
    return json.dumps({"id": "half", "steps": list(steps), **fields}).encode()


def nested(opening: str, closing: str, depth: int, inside: str = "") -> bytes:
    return (opening * depth + inside + closing * depth).encode()


CYCLE = [{"id": f"s{i}", "dependencies": [f"s{(i + 1) % 10_000}"]} for i in range(10_000)]
CONTROL_CYCLE = [{"id": f"s{i}", "onSuccess": [f"s{(i + 1) % 9_000}"]} for i in range(9_000)]

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "a brace": b"{",
    "null": b"null",
    "a number": b"7",
    "a text": b'"workflow"',
    "a list": b"[]",
    "an empty object": b"{}",
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": '{"id": "half"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a NUL": b'{"id": "half\x00"}',
    "an escaped NUL": b'{"id": "half\\u0000", "steps": [{"id": "a"}]}',
    "half a surrogate pair": b'{"id": "half", "name": "\\ud800", "steps": [{"id": "a"}]}',
    "text turned around": '{"id": "half\u202e", "steps": [{"id": "a"}]}'.encode(),
    "letters that look alike": '{"id": "hаlf", "steps": [{"id": "a"}]}'.encode(),
    "two documents": b"{}{}",
    "something after the end": b'{"id": "half", "steps": [{"id": "a"}]} drop',
    "a comment": b'{"id": "half" /* */, "steps": [{"id": "a"}]}',
    "single quotes": b"{'id': 'half'}",
    "not a number": b'{"id": "half", "timeout": NaN, "steps": [{"id": "a"}]}',
    "infinity": b'{"id": "half", "timeout": -Infinity, "steps": [{"id": "a"}]}',
    "a number beyond all": b'{"id": "half", "timeout": 1e999, "steps": [{"id": "a"}]}',
    "a whole number beyond all": b'{"id": "half", "timeout": 1' + b"0" * 5_000 + b', "steps": [{"id": "a"}]}',
    "a million digits": b'{"id": "half", "timeout": ' + b"9" * 1_000_000 + b', "steps": [{"id": "a"}]}',
    "a negative time": workflow({"id": "a", "timeout": -1}),
    "half a millisecond": workflow({"id": "a", "timeout": 0.5}),
    "attempts without end": workflow({"id": "a", "retryPolicy": {"maxAttempts": 10**30}}),
    "growth without end": workflow({"id": "a", "retryPolicy": {"backoffMultiplier": 1e308}}),
    "lists in lists": nested("[", "]", 200_000),
    "objects in objects": nested('{"a":', "}", 100_000, "1"),
    "lists that never close": b"[" * 1_000_000,
    "a deep param": b'{"id":"half","steps":[{"id":"a","params":' + nested("[", "]", 2_000) + b"}]}",
    "an id of 129": workflow({"id": "a" * 129}),
    "an empty id": workflow({"id": ""}),
    "an id that is no text": workflow({"id": {"$ne": None}}),
    "__proto__": workflow({"id": "__proto__"}),
    "__proto__ as a field": b'{"id": "half", "__proto__": {"steps": []}, "steps": [{"id": "a"}]}',
    "a path as id": workflow({"id": "../../etc/passwd"}),
    "a query as id": workflow({"id": "a?b=c#d"}),
    "SQL as id": workflow({"id": "a'; DROP TABLE execution; --"}),
    "a line break as id": workflow({"id": "a\n"}),
    "a cycle of 10,000": workflow(*CYCLE),
    "a cycle of 9,000 by onSuccess": workflow(*CONTROL_CYCLE),
    "a step that waits for itself": workflow({"id": "a", "dependencies": ["a"]}),
    "10,001 steps": workflow(*({"id": f"s{i}"} for i in range(10_001))),
    "the same id 10,000 times": workflow(*({"id": "a"} for _ in range(10_000))),
    "200,000 unknown dependencies": workflow({"id": "a", "dependencies": [f"x{i}" for i in range(200_000)]}),
    "50,000 unknown fields": workflow({"id": "a", **{f"f{i}": 1 for i in range(50_000)}}),
    "a key of a megabyte": workflow({"id": "a", "x" * 1_000_000: 1}),
    "a description of four megabytes": workflow({"id": "a"}, description="x" * 4_000_000),
    "more than the limit": b'{"id": "' + b"x" * (6 << 20) + b'"}',
    "braces without end": workflow({"id": "a", "params": {"result": "{{" * 100_000}}),
    "a template of parentheses": workflow(
        {"id": "a", "params": {"result": "{{" + "(" * 50_000 + ")" * 50_000 + "}}"}}
    ),
    "a path of 50,000 parts": workflow({"id": "a", "params": {"result": "{{ context" + ".a" * 50_000 + " }}"}}),
    "an expression of brackets": workflow({"id": "a", "when": "[" * 100_000}),
    "an expression of templates": workflow({"id": "a", "when": "`${" * 20_000}),
    "an expression of a regular expression": workflow({"id": "a", "when": "/" + "(" * 50_000}),
    "code of operators": workflow({"id": "a", "action": "transform", "params": {"code": "return " + "!" * 1_000_000}}),
    "code that closes its function": workflow({"id": "a", "action": "transform", "params": {"code": "} for(;;); {"}}),
    "a secret of a megabyte": workflow(
        {"id": "a"}, webhooks={"onStep": {"url": "http://x", "secret": "whsec_" + "A" * 1_000_001}}
    ),
    "a URL that is none": workflow({"id": "a"}, webhooks={"onStep": "javascript:alert(1)"}),
    "a URL with a line break": workflow({"id": "a"}, webhooks={"onStep": "http://x\r\nHost: y"}),
}  # fmt: skip
"""Bodies that no definition has."""

STARTS: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "no such workflow": b'{"workflowId": "__proto__"}',
    "a workflow that is no text": b'{"workflowId": {"$gt": ""}}',
    "a path as id": b'{"workflowId": "victim", "executionId": "../victim"}',
    "a NUL in the id": b'{"workflowId": "victim", "executionId": "a\\u0000"}',
    "a context that is a list": b'{"workflowId": "victim", "context": []}',
    "a context with the name of a step": b'{"workflowId": "victim", "context": {"a": 1}}',
    "a deep context": b'{"workflowId": "victim", "context": {"x": ' + nested("[", "]", 50_000) + b"}}",
    "half a surrogate pair": b'{"workflowId": "victim", "context": {"x": "\\udfff"}}',
    "a version beyond all": b'{"workflowId": "victim", "version": 99999999999999999999999999}',
    "a priority beyond all": b'{"workflowId": "victim", "priority": 1e400}',
    "tags that are no texts": b'{"workflowId": "victim", "tags": {"a": {}}}',
    "100,000 tags": json.dumps({"workflowId": "victim", "tags": {f"t{i}": "x" for i in range(100_000)}}).encode(),
    "an unknown field": b'{"workflowId": "victim", "wait": true}',
    "more than the limit": b'{"workflowId": "victim", "context": {"x": "' + b"x" * (6 << 20) + b'"}}',
}  # fmt: skip
"""Starts that are none."""

PATHS: tuple[Request, ...] = (
    *(
        Request(method, f"/{room}/{name}")
        for room in ("workflows", "executions")
        for name in (
            "__proto__",
            "constructor",
            "..%2f..%2fetc%2fpasswd",
            "%00",
            "%ff",
            "a%0d%0ab",
            "a" * 5_000,
        )
        for method in ("GET", "DELETE")
    ),
    Request("GET", "/../../etc/passwd"),
    Request("GET", "/%2e%2e/%2e%2e/etc/passwd"),
    Request("GET", "//etc/passwd"),
    Request("GET", "/executions?limit=-1"),
    Request("GET", "/executions?limit=1e9"),
    Request("GET", "/executions?limit=99999999999999999999"),
    Request("GET", "/executions?cursor=%00%ff"),
    Request("GET", "/executions?cursor=AAAA"),
    Request("GET", "/executions?since=tomorrow"),
    Request("GET", "/executions?status=__proto__"),
    Request("GET", "/executions?tag=%00"),
    Request("GET", "/executions?x=1&x=2&x=3"),
    Request("GET", "/workflows?q=%F0%9F%92%A9%00"),
    Request("GET", "/workflows/victim?version=1e3"),
    Request("GET", "/workflows/victim?version=0"),
    Request("GET", "/workflows/victim?version=-1"),
    Request("GET", "/workflows/victim?version=99999999999999999999"),
    Request("GET", "/workflows/victim/graph?format=exe"),
    Request("GET", "/executions/nobody/journal?after=-1"),
    Request("GET", "/executions/nobody/events"),
    Request("POST", "/executions/nobody/cancel", b'{"reason": 7}'),
    Request("POST", "/executions/nobody/__proto__", b"{}"),
    Request("PATCH", "/workflows", b"{}"),
    Request("TRACE", "/healthz"),
    Request("POST", "/workflows", b"{}", "text/plain"),
    Request("POST", "/workflows", b"{}", "application/json; charset=utf-16"),
    Request("POST", "/workflows", b"a: &a [*a, *a]", "application/yaml"),
    Request("POST", "/workflows", b"x" * 1000, "multipart/form-data; boundary=x"),
)
"""Places that nobody should ask for."""

HIDDEN = b"DELETE /workflows/victim HTTP/1.1\r\nHost: x\r\n\r\n"
"""What a smuggled request would do."""
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def framed(*lines: str, body: bytes = b"") -> bytes:
    return (
        "\r\n".join(
            ["POST /workflows/validate HTTP/1.1", "Host: x", f"Content-Type: {JSON}", *lines, "", ""]
        ).encode()
        + body
    )


SMUGGLED: dict[str, bytes] = {
    "a length and chunks": framed("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunks and a length": framed("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": framed("Content-Length: 0", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "a list of lengths": framed(f"Content-Length: 0, {len(HIDDEN)}", body=HIDDEN),
    "a length with a sign": framed("Content-Length: +0", body=HIDDEN),
    "a negative length": framed("Content-Length: -1", body=HIDDEN),
    "a length in hexadecimal": framed("Content-Length: 0x0", body=HIDDEN),
    "an odd encoding": framed("Transfer-Encoding: xchunked", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "two encodings": framed("Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=b"0\r\n\r\n" + HIDDEN),
    "an encoding after a space": framed("Transfer-Encoding : chunked", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "an encoding on a second line": framed("Transfer-Encoding:", " chunked", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "a chunk size too large": framed("Transfer-Encoding: chunked", body=b"FFFFFFFFFFFFFFFFF\r\n" + HIDDEN),
    "a chunk size with a sign": framed("Transfer-Encoding: chunked", body=b"-1\r\n" + HIDDEN),
    "a chunk extension with a line break": framed("Transfer-Encoding: chunked", body=b"0;\n\r\n\r\n" + HIDDEN[:1]),
    "a header with a NUL": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    "line feeds alone": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "a line break in the path": b"GET /healthz\rHTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "the next protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nothing but zeros": b"\0" * 70_000,
    "a request line of 200 KB": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "ten thousand headers": HEALTH + b"".join(b"X-%d: y\r\n" % i for i in range(10_000)) + b"\r\n",
    "a method that there is not": b"FROBNICATE /workflows HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a request": b"POST /workflows HTTP/1.1\r\nHost: x\r\nContent-Le",
    "half a body": framed("Content-Length: 500", body=b'{"id": "ha'),
    "a body that was said to be chunked": framed("Transfer-Encoding: chunked", body=b'{"id": "half"}'),
    "an upgrade": b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}  # fmt: skip
"""Bytes that would like to be read as more, or as less, than one request."""
