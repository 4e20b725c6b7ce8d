"""An execution as a watcher sees it: the journal's facts, as they arrive, folded into one row per step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

ENDED = frozenset({"success", "failed", "skipped", "cancelled"})


class Row:
    """One step. Times in ms since the epoch; `note` says what is worth saying besides the status."""

    __slots__ = ("attempt", "ended", "name", "note", "started", "status", "step")

    def __init__(self, step: str, name: str = "") -> None:
        self.step = step
        self.name = name
        self.status = "pending"
        self.attempt = 0
        self.started: int | None = None
        self.ended: int | None = None
        self.note = ""

    def took(self, now: int) -> int | None:
        """How long it took, or has taken so far; None before it started."""
        if self.started is None:
            return None
        return max(0, (now if self.ended is None else self.ended) - self.started)


class Progress:
    """One execution. `fold` every fact in order; `at` is the instant of the last one."""

    def __init__(self, execution_id: str, workflow: str, steps: Iterable[tuple[str, str]]) -> None:
        self.execution_id = execution_id
        self.workflow = workflow
        self.status = "running"
        self.rows = {step: Row(step, name) for step, name in steps}
        self.started: int | None = None
        self.ended: int | None = None
        self.at = 0
        self.error = ""

    def fold(self, at: int, event: Mapping[str, Any]) -> Row | None:
        """Take one fact; the step's row if it is about a step."""
        self.at = at
        kind = str(event.get("type", ""))
        step = event.get("step")
        if not kind.startswith("execution.") and isinstance(step, str):
            row = self.rows.setdefault(step, Row(step))
            _fold_step(row, kind, at, event)
            return row
        self._fold_execution(kind, at, event)
        return None

    def counts(self) -> Counter[str]:
        """How many steps stand at each status."""
        return Counter(row.status for row in self.rows.values())

    def took(self, now: int) -> int:
        """How long the execution took, or has taken so far, in ms."""
        if self.started is None:
            return 0
        return max(0, (now if self.ended is None else self.ended) - self.started)

    @property
    def is_final(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def _fold_execution(self, kind: str, at: int, event: Mapping[str, Any]) -> None:
        match kind.removeprefix("execution."):
            case "started":
                self.started, self.status = at, "running"
            case "paused":
                self.status = "paused"
            case "resumed":
                self.status = "running"
            case "retried":
                self.status, self.ended, self.error = "running", None, ""
                for step in event.get("steps", ()):
                    self.rows[step] = Row(step, self.rows[step].name if step in self.rows else "")
            case "completed" | "failed" | "cancelled" as status:
                self.status, self.ended = status, at
                self.error = _error(event)


def _fold_step(row: Row, kind: str, at: int, event: Mapping[str, Any]) -> None:
    match kind:
        case "step.started":
            row.status, row.attempt, row.note = "running", int(event.get("attempt", 1)), ""
            row.started = at if row.started is None else row.started
        case "step.waiting":
            row.status, row.note = "waiting", waiting_sentence(event.get("waitingFor"))
        case "attempt.failed":
            row.status, row.note = "retrying", _error(event)
        case "attempt.interrupted":
            row.status, row.note = "queued", "interrupted; will be tried again"
        case "step.succeeded":
            row.status, row.ended, row.note = "success", at, ""
        case "step.failed":
            row.status, row.ended, row.note = "failed", at, _error(event)
        case "step.skipped":
            row.status, row.ended, row.note = "skipped", at, _skipped(event)
        case "step.cancelled":
            row.status, row.ended, row.note = "cancelled", at, ""
        case _:  # a fact newer than this program says nothing about how the step looks
            pass


def _error(event: Mapping[str, Any]) -> str:
    error = event.get("error") or {}
    return ": ".join(part for part in (error.get("type"), error.get("message")) if part)


def _skipped(event: Mapping[str, Any]) -> str:
    return skip_sentence(str(event.get("reason", "")), event.get("cause"))


def waiting_sentence(waiting_for: object) -> str:
    """What a waiting step waits for, in words."""
    return "for its timer" if waiting_for == "timer" else f"for {waiting_for or 'an answer'}"


def skip_sentence(reason: str, cause: object) -> str:
    """Why a step was skipped, in words."""
    by = f" ({cause})" if cause else ""
    words = {
        "condition_false": "its `when` was false",
        "branch_not_taken": f"branch not taken{by}",
        "upstream_skipped": f"nothing to follow{by}",
        "upstream_failed": f"a step before it failed{by}",
        "not_needed": f"not needed{by}",
        "manual_skip": "skipped by hand",
        "run_cancelled": "the execution was stopped first",
    }
    return words.get(reason, reason)
