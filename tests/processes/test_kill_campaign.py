"""A short share of the kill campaign, and its own checks held against journals that break a promise."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.processes.kill_campaign import Called, Campaign, check_journal

KILLS = 8


async def test_killed_again_and_again_a_server_keeps_every_promise(tmp_path: Path) -> None:
    result = await Campaign(KILLS, 1, tmp_path).run()
    assert result["violations"] == []
    assert result["acknowledged"] > 20
    assert result["steps called"] > 50


def entry(at: int, kind: str, step: str = "a", **fields: Any) -> dict[str, Any]:
    return {"seq": 1, "at": at, "events": [{"type": kind, "step": step, **fields}]}


def found(*journal: dict[str, Any], status: str = "completed", calls: tuple[Called, ...] = ()) -> list[str]:
    by_key: dict[str, list[Called]] = defaultdict(list)
    for call in calls:
        by_key[call.key].append(call)
    return check_journal("e", status, list(journal), by_key).wrong


STARTED = entry(1, "step.started")
DONE = entry(5, "step.succeeded")
LOST = entry(2, "attempt.interrupted")
ROUND = entry(1, "bodies.started", "rounds")
ROUND_DONE = entry(2, "step.succeeded", "rounds[0]")
JUDGED = entry(3, "loop.judged", "rounds", nextAt=9)
INFRA = entry(9, "step.failed", error={"type": "infra", "message": ""})


@pytest.mark.parametrize(
    ("journal", "complaint"),
    [
        ([STARTED, DONE, entry(6, "step.started")], "started after it had finished"),
        (
            [STARTED, entry(2, "attempt.failed", retryAt=9), entry(8, "step.started")],
            "before its delay was over",
        ),
        ([STARTED, entry(2, "step.waiting", until=9), DONE], "was over before its instant"),
        ([STARTED, *[entry(2, "step.waiting", until=3)] * 2, DONE], "the wait of a started over"),
        ([STARTED] * 5 + [DONE], "made 5 attempts, 0 of them interrupted"),
        ([STARTED, LOST] * 4 + [STARTED, DONE], "made 5 attempts, 4 of them interrupted"),
        ([STARTED, LOST, STARTED, INFRA], "given up after 1 interruptions"),
        ([entry(1, "bodies.started", "each", count=3)], "3 items were under way at once"),
        ([entry(1, "bodies.started", "each")] * 2, "each[0] began twice"),
        ([entry(1, "bodies.started", "rounds", first=1)], "round 1 began out of turn"),
        ([ROUND, entry(2, "bodies.started", "rounds", first=1)], "round 1 began out of turn"),
        (
            [ROUND, ROUND_DONE, JUDGED, entry(4, "bodies.started", "rounds", first=1)],
            "round 1 began too early",
        ),
    ],
)
def test_a_journal_that_breaks_a_promise_is_found(journal: list[dict[str, Any]], complaint: str) -> None:
    (wrong,) = found(*journal)
    assert complaint in wrong


def test_a_call_after_the_end_of_its_step_is_found() -> None:
    late = Called(9.0, "e/a/0", 2)
    assert found(STARTED, DONE, calls=(late,)) == ["e: a was called after it had finished, attempt 2"]
    assert found(STARTED, DONE, calls=(late._replace(at=4.0),)) == []


def test_an_execution_that_did_not_complete_is_found_unless_crashes_used_it_up() -> None:
    assert found(STARTED, status="failed: x") == ["e: failed: x"]
    assert found(*[STARTED, LOST] * 3, STARTED, INFRA, status="failed: x") == []
