"""Names that mean something to JavaScript, Python, SQL or a shell are data like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes.server import Server

IDS = [
    "constructor",
    "prototype",
    "toString",
    "valueOf",
    "hasOwnProperty",
    "length",
    "then",
    "null",
    "NaN",
    "class",
    "0",
]
KEYS = [
    "__proto__",
    "constructor",
    "toJSON",
    "then",
    "\x00",
    "a\u202eb",
    "💩",
    "'; DROP TABLE x; --",
    "$(id)",
    "",
]
PAYLOAD = {"__proto__": {"polluted": True}, "constructor": {"prototype": {"polluted": True}}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server
        assert "Traceback" not in server.said()


def run(server: Server, *steps: dict[str, Any], context: dict[str, Any] | None = None) -> Any:
    """The document of an execution of these steps, run to its end."""
    answer = server.ask("POST", "/workflows", {"id": "w", "steps": list(steps)})
    assert answer.status in (200, 201), answer.body
    body = {"workflowId": "w", "context": context or {}}
    answer = server.ask("POST", "/executions/start?wait=20000", body)
    assert answer.status == 201, answer.body
    return answer.json()


def transform(step_id: str, code: str, *dependencies: str, **params: Any) -> dict[str, Any]:
    return {
        "id": step_id,
        "action": "transform",
        "dependencies": list(dependencies),
        "params": {"code": code, **params},
    }


def test_step_ids_that_objects_have_anyway_hold_their_own_results(server: Server) -> None:
    steps = [{"id": name, "params": {"result": f"of {name}"}} for name in IDS]
    read = {
        "id": "read",
        "dependencies": IDS,
        "params": {"result": ["{{ context." + name + " }}" for name in IDS if name != "0"]},
    }
    keys = transform("keys", "return Object.entries(context)", *IDS)
    shown = run(server, *steps, read, keys)
    assert shown["status"] == "completed", shown["error"]
    assert shown["context"]["read"] == [f"of {name}" for name in IDS if name != "0"]
    seen = dict(shown["context"]["keys"])
    assert {name: seen[name] for name in IDS} == {name: f"of {name}" for name in IDS}


def test_a_step_that_has_not_run_is_not_found_among_what_objects_have_anyway(server: Server) -> None:
    shown = run(server, {"id": "a", "when": "false"}, {"id": "b", "dependencies": ["a"], "join": "all_done",
                "params": {"result": "{{ context.valueOf ?? 'absent' }}"}})  # fmt: skip
    assert shown["context"]["b"] == "absent"


def test_odd_keys_come_out_as_they_went_in(server: Server) -> None:
    data = {key: {key: [key]} for key in KEYS}
    steps = [
        {"id": "copy", "params": {"result": "{{ input.data }}"}},
        transform("through", "return input", "copy", inputKey="copy"),
        transform("listed", "return Object.keys(input)", "copy", inputKey="copy"),
    ]
    shown = run(server, *steps, context={"data": data, **{key: 1 for key in KEYS if key}})
    assert shown["status"] == "completed", shown["error"]
    assert shown["context"]["copy"] == data
    assert shown["context"]["through"] == data
    assert sorted(shown["context"]["listed"]) == sorted(KEYS)


def test_nothing_is_polluted_from_step_to_step(server: Server) -> None:
    steps = [
        {"id": "plant", "params": {"result": PAYLOAD}},
        transform(
            "merge",
            "for (const k in input) ({})[k]; return Object.assign({}, input)",
            "plant",
            inputKey="plant",
        ),
        transform("try", "Object.prototype.polluted = true; return 1", "plant"),
        transform("look", "return [({}).polluted ?? null, [].polluted ?? null]", "merge", "try"),
        {
            "id": "weigh",
            "action": "condition",
            "dependencies": ["look"],
            "params": {"expression": "({}).polluted === undefined"},
        },
    ]
    shown = run(server, *steps, context=PAYLOAD)
    assert shown["status"] == "completed", shown["error"]
    assert shown["context"]["look"] == [None, None]
    assert shown["context"]["weigh"]["result"] is True


@pytest.mark.parametrize("execution_id", ["constructor", "__proto__"[2:7], "a.b-c_d", "0", "x" * 128])
def test_an_execution_may_have_any_id_that_fits(server: Server, execution_id: str) -> None:
    server.ask("POST", "/workflows", {"id": "constructor", "steps": [{"id": "constructor"}]})
    body = {"workflowId": "constructor", "executionId": execution_id}
    assert server.ask("POST", "/executions/start", body).json()["executionId"] == execution_id
    assert server.ask("GET", f"/executions/{execution_id}").json()["executionId"] == execution_id
