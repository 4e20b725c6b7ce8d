from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.cli.definitions import FAILING, PATIENT, QUICK, write


@pytest.fixture
def registered(run: Run, tmp_path: Path) -> Run:
    """Commands against a server that knows the workflows quick, failing and patient."""
    assert run("register", *write(tmp_path, QUICK, FAILING, PATIENT)).code == 0
    return run


def test_starting_writes_the_id_alone_so_that_a_script_can_take_it(registered: Run) -> None:
    ran = registered("start", "quick")
    execution_id = ran.out.removesuffix("\n")
    assert registered("show", execution_id, "-o", "json").json["executionId"] == execution_id
    assert ran.err == ""


def test_waiting_shows_how_it_ended(registered: Run) -> None:
    ran = registered("start", "quick", "--context", '{"more": 22}', "--wait")
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines() if line.startswith(("first", "second"))] == [
        ["first", "success"],
        ["second", "success"],
    ]
    assert 'output  {"second":42}' in ran.out


def test_waiting_with_json_writes_the_document(registered: Run) -> None:
    ran = registered("start", "quick", "-c", '{"more": 22}', "--wait", "-o", "json")
    assert (ran.code, ran.json["status"], ran.json["output"]) == (0, "completed", {"second": 42})


def test_waiting_for_one_that_fails_exits_1_and_shows_why(registered: Run) -> None:
    ran = registered("start", "failing", "--wait")
    assert ran.code == 1
    assert "out of paper" in ran.out
    assert "a step before it failed (boom)" in ran.out


def test_waiting_no_longer_than_asked_exits_6_and_says_that_it_goes_on(registered: Run) -> None:
    ran = registered("start", "patient", "--timeout", "50ms")
    assert ran.code == 6
    assert "goes on" in ran.err
    assert "running" in ran.out


def test_watching_in_a_pipe_is_a_line_per_fact(registered: Run) -> None:
    ran = registered("start", "quick", "--watch")
    assert ran.code == 0
    told = [line.split()[2:4] for line in ran.out.splitlines()]
    assert told[0] == ["Quick", "One"]
    assert ["first", "success"] in told
    assert ["second", "success"] in told
    assert ran.out.splitlines()[-1].split()[2:5] == ["Quick", "One", "completed"]


def test_watching_one_that_fails_exits_1(registered: Run) -> None:
    ran = registered("start", "failing", "--watch")
    assert ran.code == 1
    assert "out of paper" in ran.out


def test_watching_with_json_is_a_document_per_decision(registered: Run) -> None:
    ran = registered("start", "quick", "--watch", "-o", "json")
    entries = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1]["events"][-1]["type"] == "execution.completed"


def test_an_ended_execution_can_be_watched_again(registered: Run) -> None:
    execution_id = registered("start", "failing", "--wait", "-o", "json").json["executionId"]
    assert registered("watch", execution_id).code == 1


def test_the_same_id_starts_once(registered: Run) -> None:
    for _ in range(2):
        ran = registered("start", "quick", "--id", "mine-once")
        assert (ran.code, ran.out) == (0, "mine-once\n")


def test_the_same_id_for_something_else_is_refused_with_5(registered: Run) -> None:
    registered("start", "quick", "--id", "mine-twice")
    ran = registered("start", "quick", "--id", "mine-twice", "-c", '{"a": 1}')
    assert ran.code == 5
    assert "mine-twice" in ran.err


def test_a_context_that_is_no_json_is_a_usage_error(registered: Run) -> None:
    ran = registered("start", "quick", "-c", "{a: 1}")
    assert ran.code == 2
    assert "--context" in ran.err


def test_a_list_shows_newest_first_and_only_what_was_asked_for(registered: Run) -> None:
    first = registered("start", "quick", "--tag", "batch=7", "--wait", "-o", "json").json["executionId"]
    second = registered("start", "failing", "--tag", "batch=7", "--wait", "-o", "json").json["executionId"]
    everything = registered("list", "--tag", "batch=7", "-o", "json").json
    assert [execution["executionId"] for execution in everything] == [second, first]
    [heading, row] = registered("list", "--tag", "batch=7", "--status", "failed").out.splitlines()
    assert heading.split() == ["EXECUTION", "STATUS", "WORKFLOW", "TOOK", "STARTED", "WHERE"]
    assert row.split()[:3] == [second, "failed", "failing@1"]
    assert row.endswith("boom")
    assert len(registered("list", "--workflow", "quick", "-n", "1", "-o", "json").json) == 1


def test_an_empty_list_says_so_without_writing_data(registered: Run) -> None:
    ran = registered("list", "--workflow", "nobody-started-this")
    assert (ran.code, ran.out) == (0, "")
    assert "No executions" in ran.err


def test_latest_is_the_execution_started_last(registered: Run) -> None:
    execution_id = registered("start", "quick", "--wait", "-o", "json").json["executionId"]
    assert registered("show", "@latest", "-o", "json").json["executionId"] == execution_id


def test_one_step_is_shown_whole(registered: Run) -> None:
    execution_id = registered("start", "quick", "--wait", "-o", "json").json["executionId"]
    assert registered("show", execution_id, "--step", "first").json["result"] == {"n": 20}


def test_a_step_that_nothing_has_happened_to_is_pending(registered: Run) -> None:
    execution_id = registered("start", "patient").out.strip()
    assert registered("show", execution_id, "--step", "after").json["status"] == "pending"


def test_a_step_that_is_not_there_is_answered_with_one_like_it(registered: Run) -> None:
    execution_id = registered("start", "quick", "--wait", "-o", "json").json["executionId"]
    ran = registered("show", execution_id, "--step", "frist")
    assert ran.code == 4
    assert "Did you mean first" in ran.err


def test_a_part_of_an_id_is_answered_with_the_whole(registered: Run) -> None:
    execution_id = registered("start", "quick").out.strip()
    ran = registered("show", execution_id[:-4])
    assert ran.code == 4
    assert f"Did you mean {execution_id}" in ran.err


def test_explaining_says_what_each_unfinished_step_waits_for(registered: Run) -> None:
    execution_id = registered("start", "patient").out.strip()
    ran = registered("explain", execution_id)
    assert ran.code == 0
    assert "`wait` waits for its timer" in ran.out
    assert [step["stepId"] for step in registered("explain", execution_id, "-o", "json").json["steps"]] == [
        "wait",
        "after",
    ]


def test_the_journal_is_a_row_per_fact(registered: Run) -> None:
    execution_id = registered("start", "quick", "--wait", "-o", "json").json["executionId"]
    rows = registered("journal", execution_id).out.splitlines()
    assert "execution.started" in rows[1]
    assert "execution.completed" in rows[-1]
    entries = registered("journal", execution_id, "-o", "json").json
    assert len(rows) == 1 + sum(len(entry["events"]) for entry in entries)


def test_an_execution_is_drawn_with_how_its_steps_stand(registered: Run) -> None:
    execution_id = registered("start", "failing", "--wait", "-o", "json").json["executionId"]
    drawn = registered("graph", execution_id)
    assert "✗ boom" in drawn.out
    assert "upstream_failed" in drawn.out
    assert registered("graph", "@latest").out == drawn.out
    assert "<svg" in registered("graph", execution_id, "-f", "svg").out


def test_a_paused_execution_is_resumed_and_a_running_one_cancelled(registered: Run) -> None:
    execution_id = registered("start", "patient").out.strip()
    assert registered("pause", execution_id, "--reason", "lunch").out.split()[0] == "paused"
    assert registered("resume", execution_id).out.split()[0] == "running"
    assert registered("cancel", execution_id, "-o", "json").json["executionId"] == execution_id
    assert registered("watch", execution_id).code == 1
    facts = registered("journal", execution_id).out
    assert '"reason":"lunch"' in facts


def test_a_verb_that_comes_too_late_is_refused_with_5(registered: Run) -> None:
    execution_id = registered("start", "quick", "--wait", "-o", "json").json["executionId"]
    assert registered("cancel", execution_id).code == 5


def test_terminating_ends_at_once(registered: Run) -> None:
    execution_id = registered("start", "patient").out.strip()
    assert registered("terminate", execution_id).out.split()[0] == "cancelled"


def test_a_failed_execution_is_retried(registered: Run) -> None:
    execution_id = registered("start", "failing", "--wait", "-o", "json").json["executionId"]
    assert registered("retry", execution_id).out.split()[0] in ("running", "failed")
    assert registered("watch", execution_id).code == 1
    assert "execution.retried" in registered("journal", execution_id).out


def test_without_a_server_the_exit_code_is_3_and_the_error_says_how_to_start_one(
    bare: Run, dead_url: str
) -> None:
    ran = bare("list", "--url", dead_url)
    assert ran.code == 3
    assert "connection refused" in ran.err
    assert "tenuto serve" in ran.err


def test_what_the_server_finds_wrong_with_an_argument_is_a_usage_error(registered: Run) -> None:
    ran = registered("list", "--status", "bogus")
    assert ran.code == 2
    assert "bogus" in ran.err


def test_interrupting_a_watcher_stops_watching_and_nothing_else(registered: Run, server_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", "start", "patient", "--watch", "--url", server_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as watcher:
        assert watcher.stdout is not None
        for line in watcher.stdout:
            if "waiting" in line:
                break
        watcher.send_signal(signal.SIGINT)
        said = watcher.communicate()[1]
    assert watcher.returncode == 130
    execution_id = said.split()[-1]
    assert "goes on" in said
    assert registered("show", execution_id, "-o", "json").json["status"] == "running"


def test_an_address_without_a_scheme_is_taken_as_http(bare: Run, server_url: str) -> None:
    assert bare("workflows", "--url", server_url.removeprefix("http://")).code == 0
