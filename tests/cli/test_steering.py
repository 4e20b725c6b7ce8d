"""Commands that steer executions and their steps, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.definitions import FAILING, PATIENT, write

ASKING: dict[str, Any] = {
    "id": "asking",
    "steps": [
        {"id": "sig", "action": "signal.wait", "params": {"name": "go"}},
        {"id": "sign", "action": "approval", "params": {"minApprovals": 2}, "dependencies": ["sig"]},
        {"id": "after", "action": "delay", "params": {"duration": 3_600_000}, "dependencies": ["sign"]},
    ],
}

Start = Callable[..., str]


@pytest.fixture
def start(run: Run, tmp_path: Path) -> Start:
    """Starts an execution of a workflow and answers its id."""
    assert run("register", *write(tmp_path, ASKING, FAILING, PATIENT)).code == 0
    return lambda *arguments: run("start", *arguments).out.strip()


def step(run: Run, execution_id: str, step_id: str) -> Any:
    return run("show", execution_id, "--step", step_id).json


def asked(run: Run, start: Start) -> str:
    """The id of an execution whose approval step waits for people."""
    execution_id = start("asking")
    run("signal", execution_id, "go")
    for _ in range(1_000):
        if step(run, execution_id, "sign")["status"] == "waiting":
            return execution_id
    raise AssertionError("the approval step does not wait")


def test_a_signal_is_sent_once_under_its_key(run: Run, start: Start, tmp_path: Path) -> None:
    execution_id = start("asking")
    payload = tmp_path / "payload.json"
    payload.write_text('{"n": 1}')
    for _ in range(2):
        ran = run("signal", execution_id, "go", "--payload", f"@{payload}", "--key", "k")
        assert (ran.code, ran.out) == (0, "")
        assert f"{execution_id} has the signal go" in ran.err
    assert step(run, execution_id, "sig")["result"] == {"n": 1}
    facts = [event for entry in run("journal", execution_id, "-o", "json").json for event in entry["events"]]
    assert [fact["by"] for fact in facts if fact["type"] == "signal.received"] == [getuser()]


def test_a_payload_that_is_no_json_is_a_usage_error(run: Run, start: Start) -> None:
    ran = run("signal", start("asking"), "go", "--payload", "{n")
    assert ran.code == 2
    assert "--payload" in ran.err


def test_people_approve_under_their_names(run: Run, start: Start) -> None:
    execution_id = asked(run, start)
    first = run("approve", execution_id, "sign", "--by", "ann", "--comment", "fine")
    assert (first.code, first.out.splitlines()[0]) == (0, "waiting  sign")
    assert run("approve", execution_id, "sign", "--by", "ann").code == 5
    second = run("approve", execution_id, "sign", "-o", "json")
    result = second.json["stepResults"]["sign"]["result"]
    assert [given["by"] for given in result["approvals"]] == ["ann", getuser()]


def test_one_rejects_with_a_comment(run: Run, start: Start) -> None:
    execution_id = asked(run, start)
    assert run("reject", execution_id, "sign", "--by", "bob", "--comment", "no").code == 0
    assert step(run, execution_id, "sign")["error"]["message"] == "rejected by bob: no"


def test_steps_are_completed_failed_and_skipped_by_hand(run: Run, start: Start) -> None:
    done, bad, out = start("patient"), start("patient"), start("patient")
    assert run("step", "complete", done, "wait", "--result", "[1]", "--reason", "by phone").code == 0
    assert step(run, done, "wait")["result"] == [1]
    assert run("step", "fail", bad, "wait", "sold out", "--type", "stock").code == 0
    assert step(run, bad, "wait")["error"] == {"type": "stock", "message": "sold out"}
    assert run("step", "skip", out, "wait").code == 0
    assert step(run, out, "wait")["reason"] == "manual_skip"
    assert run("step", "skip", out, "wait").code == 5
    assert run("step", "skip", out, "nope").code == 4


def test_a_failed_step_is_retried(run: Run, start: Start) -> None:
    execution_id = run("start", "failing", "--wait", "-o", "json").json["executionId"]
    assert run("step", "retry", execution_id, "boom", "--by", "ann").code == 0
    facts = [event for entry in run("journal", execution_id, "-o", "json").json for event in entry["events"]]
    assert [fact["by"] for fact in facts if fact["type"] == "execution.retried"] == ["ann"]


def test_a_rerun_writes_the_new_id_alone(run: Run, start: Start) -> None:
    execution_id = start("patient")
    ran = run("rerun", execution_id, "--from", "wait", "--id", f"{execution_id}-again", "-c", '{"n": 1}')
    assert (ran.code, ran.out) == (0, f"{execution_id}-again\n")
    document = run("show", f"{execution_id}-again", "-o", "json").json
    assert document["forkOf"] == {"executionId": execution_id, "fromStep": "wait"}
    assert document["context"] == {"n": 1}


def test_a_start_may_lie_ahead(run: Run, start: Start) -> None:
    execution_id = start("patient", "--at", "2099-11-01T09:30Z")
    document = run("show", execution_id, "-o", "json").json
    assert (document["status"], document["startAt"]) == ("pending", 4_097_208_600_000)
    assert run("start", "patient", "--at", "soon").code == 2


def test_verbs_say_who_asks(run: Run, start: Start) -> None:
    execution_id = start("patient")
    document = run("cancel", execution_id, "--reason", "late", "-o", "json").json
    assert (document["cancelledBy"], document["cancelReason"]) == (getuser(), "late")


def test_a_bulk_job_is_rehearsed_done_and_shown(run: Run, start: Start) -> None:
    ids = [start("patient", "--tag", "crowd=9") for _ in range(3)]
    rehearsed = run("bulk", "cancel", "--tag", "crowd=9", "--dry-run")
    assert (rehearsed.code, rehearsed.out.split()) == (0, ids[::-1])
    assert "3 executions fit" in rehearsed.err
    ran = run("bulk", "cancel", "--tag", "crowd=9", "--reason", "closing", "--watch")
    assert ran.code == 0
    job = ran.out.split()[0]
    assert ran.out == f"{job} done: cancel, 3 matched, 3 done, 0 skipped, 0 failed\n"
    assert run("bulk", "show", job, "-o", "json").json["done"] == 3
    assert any(line.startswith(job) for line in run("bulk", "list").out.splitlines())
    assert run("bulk", "stop", job).code == 5
    assert run("bulk", "show", "bulk-20200101T000000Z").code == 4


def test_a_bulk_signal_goes_out_to_all_that_fit(run: Run, start: Start) -> None:
    execution_id = start("asking", "--tag", "wave=1")
    assert run("bulk", "signal", "go", "-p", "7", "--tag", "wave=1", "--watch").code == 0
    assert step(run, execution_id, "sig")["result"] == 7


def test_a_bulk_verb_for_nobody_in_particular_is_a_usage_error(run: Run) -> None:
    ran = run("bulk", "terminate")
    assert ran.code == 2
    assert "--all" in ran.err
