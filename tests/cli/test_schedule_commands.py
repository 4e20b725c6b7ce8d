from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Ran, Run


@pytest.fixture
def workflow(run: Run, tmp_path: Path) -> str:
    """A registered workflow of one step."""
    file = tmp_path / "w.json"
    file.write_text('{"id": "scheduled", "steps": [{"id": "a"}]}')
    assert run("register", str(file)).code == 0
    return "scheduled"


def create(run: Run, tmp_path: Path, name: str, **fields: Any) -> Ran:
    file = tmp_path / "schedule.json"
    file.write_bytes(
        msgspec.json.encode({"id": name, "workflowId": "scheduled", "cron": "30 2 * * *", **fields})
    )
    return run("schedule", "create", "-f", str(file), "--replace")


def test_a_schedule_is_created_from_a_file_and_shown(run: Run, workflow: str, tmp_path: Path) -> None:
    assert create(run, tmp_path, "from-file", timezone="Europe/Berlin").code == 0
    shown = run("schedule", "show", "from-file")
    assert "30 2 * * * (Europe/Berlin)" in shown.out
    assert "overlap" in shown.out
    listed = run("schedule", "list", "--workflow", workflow)
    assert "from-file" in listed.out
    assert run("schedule", "list", "-o", "json").json[0]["workflowId"] == workflow


def test_a_schedule_is_created_from_options(run: Run, workflow: str) -> None:
    made = run(
        "schedule",
        "create",
        "from-options",
        "--workflow",
        workflow,
        "--every",
        "1h30m",
        "-c",
        '{"x": 1}',
        "-o",
        "json",
    )
    assert (made.json["interval"], made.json["context"]) == (5_400_000, {"x": 1})
    again = run("schedule", "create", "from-options", "--workflow", workflow, "--every", "2h")
    assert again.code == 5
    assert "PUT /schedules/from-options replaces it" in again.err


def test_problems_are_listed_with_their_places(run: Run, workflow: str) -> None:
    ran = run(
        "schedule", "create", "bad", "--workflow", workflow, "--cron", "0 99 * * *", "--timezone", "Mars"
    )
    assert ran.code == 2
    assert "cron[0]" in ran.err
    assert "timezone" in ran.err


def test_pause_resume_trigger_next_and_delete(run: Run, workflow: str, tmp_path: Path) -> None:
    create(run, tmp_path, "handled")
    assert "paused" in run("schedule", "pause", "handled", "--note", "stocktaking").out
    assert "stocktaking" in run("schedule", "show", "handled").out
    assert "paused" not in run("schedule", "resume", "handled", "--note", "").out
    started = run("schedule", "trigger", "handled").out.strip()
    assert run("show", started).code == 0
    times = run("schedule", "next", "handled", "-n", "3").out.split()
    assert len(times) == 3
    assert all(time.endswith("T02:30:00+00:00") for time in times)
    assert run("schedule", "delete", "handled").code == 0
    assert run("schedule", "show", "handled").code == 4


def test_a_backfill_is_rehearsed_and_begun(run: Run, workflow: str, tmp_path: Path) -> None:
    create(run, tmp_path, "filled")
    span = ("--from", "2026-10-01T00:00Z", "--until", "2026-10-04T00:00Z")
    rehearsed = run("schedule", "backfill", "filled", *span, "--dry-run")
    assert rehearsed.out.split() == [f"2026-10-0{day}T02:30:00+00:00" for day in (1, 2, 3)]
    assert "3 times" in rehearsed.err
    begun = run("schedule", "backfill", "filled", *span, "--concurrency", "3", "-o", "json").json
    assert (begun["total"], begun["concurrency"]) == (3, 3)
    assert begun["id"] in run("schedule", "show", "filled").out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "yesterday", "--until", "2026-10-04"],
        ["--from", "2026-10-01"],
        [],
    ],
)
def test_a_backfill_needs_a_range_that_can_be_read(run: Run, arguments: list[str]) -> None:
    assert run("schedule", "backfill", "some", *arguments).code == 2


def test_a_mistyped_schedule_is_answered_with_those_like_it(run: Run, workflow: str, tmp_path: Path) -> None:
    create(run, tmp_path, "quarterly")
    ran = run("schedule", "show", "quaterly")
    assert ran.code == 4
    assert "Did you mean quarterly?" in ran.err
    unknown = run("schedule", "backfill", "quarterly", "--cancel", "nope")
    assert unknown.code == 4
    assert "no backfill" in unknown.err
