"""An execution as a watcher sees it: the journal's facts, as they arrive, folded into one row per step. Items and rounds
have rows as long as they are under way; their map or loop counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tenuto.cli.anatomy import Anatomy, static_id

ENDED = frozenset({"success", "failed", "skipped", "cancelled"})


class Row:
    """One step. Times in ms since the epoch; `note` says what is worth saying besides the status. Of a map, `total`
    counts its items, `done` those that have ended, `failed` those of them that failed; of a loop, `round` is the number
    of the round. `level` says in how many containers it is."""

    __slots__ = (
        "attempt", "done", "ended", "failed", "level", "name", "note", "round", "started", "status", "step", "total",
    )  # fmt: skip

    def __init__(self, step: str, name: str = "", level: int = 0) -> None:
        self.step = step
        self.name = name
        self.level = level
        self.status = "pending"
        self.attempt = 0
        self.started: int | None = None
        self.ended: int | None = None
        self.note = ""
        self.total: int | None = None
        self.done = 0
        self.failed = 0
        self.round: int | None = None

    def took(self, now: int) -> int | None:
        """How long it took, or has taken so far; None before it started."""
        if self.started is None:
            return None
        return max(0, (now if self.ended is None else self.ended) - self.started)

    def told(self) -> str:
        """How far it has come, and what is worth saying besides."""
        parts = [self.note]
        if self.total is not None:
            failed = f", {self.failed:,} failed" if self.failed else ""
            parts.insert(0, f"{self.done:,} of {self.total:,} items{failed}")
        elif self.round is not None and self.status not in ENDED:
            parts.insert(0, f"round {self.round:,}")
        return "; ".join(part for part in parts if part)


class Progress:
    """One execution. `fold` every fact in order; `at` is the instant of the last one. `rows` are the steps of which
    there is one at most, `live` what is under way in items and rounds, by the row it belongs to."""

    def __init__(
        self,
        execution_id: str,
        workflow: str,
        steps: Iterable[tuple[str, str]],
        anatomy: Anatomy | None = None,
    ) -> None:
        self.execution_id = execution_id
        self.workflow = workflow
        self.anatomy = anatomy or Anatomy({})
        self.status = "running"
        self.phase = ""
        self.rows = {step: Row(step, name, self.anatomy.level(step)) for step, name in steps}
        self.live: dict[str, dict[str, Row]] = {}
        self.started: int | None = None
        self.ended: int | None = None
        self.at = 0
        self.error = ""
        self._ended_in: Counter[tuple[str, int]] = Counter()
        self._spoilt: set[tuple[str, int]] = set()

    def fold(self, at: int, event: Mapping[str, Any]) -> Row | None:
        """Take one fact; the step's row if it is about a step."""
        self.at = at
        kind = str(event.get("type", ""))
        step = event.get("step")
        if not kind.startswith("execution.") and isinstance(step, str):
            row = _undone(step) if "[" in step and kind in _UNDOING else self._row(step)
            was_ended = row.status in ENDED
            _fold_step(row, kind, at, event)
            if row.status in ENDED and not was_ended:
                self._step_ended(row)
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

    def _row(self, step: str) -> Row:
        if "[" not in step:
            return self.rows.setdefault(step, Row(step, "", self.anatomy.level(step)))
        live = self.live.setdefault(self.anatomy.shown_with(step), {})
        return live.setdefault(step, Row(step, "", self.anatomy.level(static_id(step)) + 1))

    def _step_ended(self, row: Row) -> None:
        if row.step in self.rows:
            self.live.pop(row.step, None)
            if row.status in ("skipped", "cancelled"):
                self._give_up(row)
            return
        shown_with = self.anatomy.shown_with(row.step)
        self.live.get(shown_with, {}).pop(row.step, None)
        item = self.anatomy.item(row.step)
        if item is None or item.container not in self.rows:
            return
        container = self.rows[item.container]
        self._ended_in[item] += 1
        if row.status == "failed" and self.anatomy.spoils(row.step):
            self._spoilt.add(item)
        if self._ended_in[item] >= self.anatomy.size(item.container):
            del self._ended_in[item]
            container.done += 1
            container.failed += item in self._spoilt
            self._spoilt.discard(item)

    def _give_up(self, container: Row) -> None:
        """What is in a container that is skipped never begins."""
        for step in self.anatomy.inside(container.step):
            row = self.rows.get(step)
            if row is not None and row.status == "pending":
                row.status, row.ended = "skipped", container.ended

    def _fold_execution(self, kind: str, at: int, event: Mapping[str, Any]) -> None:
        match kind.removeprefix("execution."):
            case "started":
                waits = event.get("startAt") is not None or event.get("queued")
                self.started, self.status = at, "pending" if waits else "running"
            case "began" | "resumed":
                self.status = "running"
            case "paused":
                self.status = "paused"
            case "cancel-requested":
                self.status, self.phase = "running", "cancelling"
            case "handlers-started":
                self.phase = f"{event.get('handlers', '')} handlers".strip()
            case "compensation-started":
                self.phase = "compensating"
            case "retried":
                self._retried(event)
            case "completed" | "failed" | "cancelled" as status:
                self.status, self.ended, self.phase = status, at, ""
                self.error = _error(event)

    def _retried(self, event: Mapping[str, Any]) -> None:
        self.status, self.ended, self.error = "running", None, ""
        for step in event.get("steps", ()):
            if "[" not in step:
                self.rows[step] = Row(
                    step, self.rows[step].name if step in self.rows else "", self.anatomy.level(step)
                )
        for step in event.get("reopened", ()):
            row = self._row(step)
            row.status, row.ended, row.note = "running", None, ""
            row.done, row.failed = row.done - row.failed, 0


_UNDOING = frozenset({"compensation.started", "compensation.ended"})


def _undone(step: str) -> Row:
    """A step of an item that ended long ago, and has no row any more."""
    row = Row(step)
    row.status = "success"
    return row


def _fold_step(row: Row, kind: str, at: int, event: Mapping[str, Any]) -> None:
    match kind:
        case "step.started" | "step.queued" | "map.expanded" | "bodies.started":
            _fold_begin(row, kind, at, event)
        case "step.waiting":
            row.status, row.note = "waiting", waiting_sentence(event.get("waitingFor"))
        case "step.parked":
            row.status, row.note = "waiting", f"for a person, after {_error(event)}"
        case "loop.judged":
            row.status, row.note = "waiting", "for its next round"
        case "approval.given":
            row.note = f"{event.get('by')} approves"
        case "attempt.failed":
            row.status, row.note = "retrying", _error(event)
        case "attempt.interrupted":
            row.status, row.note = "retrying", "interrupted; will be tried again"
        case "step.retried":
            row.status, row.note = "retrying", f"tried again{_by(event)}"
        case "compensation.started":
            row.note = "being undone"
        case "compensation.ended":
            row.note = "undone" if event.get("well", True) else "could not be undone"
        case _:
            _fold_end(row, kind, at, event)


def _fold_begin(row: Row, kind: str, at: int, event: Mapping[str, Any]) -> None:
    row.started = at if row.started is None else row.started
    row.status, row.note = "running", ""
    match kind:
        case "step.started":
            row.attempt = int(event.get("attempt", 1))
        case "step.queued":
            row.status, row.note = "queued", "for its slots"
        case "map.expanded":
            row.total = len(event.get("items", ()))
        case "bodies.started" if "first" in event:
            row.round = int(event["first"])


def _fold_end(row: Row, kind: str, at: int, event: Mapping[str, Any]) -> None:
    match kind:
        case "step.succeeded":
            row.status, row.ended = "success", at
            row.note = "kept from before" if event.get("cached") else _by(event).strip()
        case "step.failed":
            row.status, row.ended, row.note = "failed", at, _error(event) + _by(event)
        case "step.skipped":
            row.status, row.ended, row.note = "skipped", at, _skipped(event)
        case "step.cancelled":
            row.status, row.ended = "cancelled", at
            row.note = "not needed any more" if event.get("reason") == "not_needed" else ""
        case "step.copied":
            row.status, row.ended = str(event.get("status", "success")), at
            row.note = "as in the execution before"
        case _:  # a fact newer than this program says nothing about how the step looks
            pass


def _error(event: Mapping[str, Any]) -> str:
    error = event.get("error") or {}
    return ": ".join(part for part in (error.get("type"), error.get("message")) if part)


def _by(event: Mapping[str, Any]) -> str:
    return f" by {event['by']}" if event.get("by") else ""


def _skipped(event: Mapping[str, Any]) -> str:
    return skip_sentence(str(event.get("reason", "")), event.get("cause")) + _by(event)


_WAITS = {
    "timer": "for its timer",
    "round": "for its next round",
    "approval": "for an approval",
    "callback": "for a callback",
    "person": "for a person",
}


def waiting_sentence(waiting_for: object) -> str:
    """What a waiting step waits for, in words."""
    kind, _, name = str(waiting_for or "an answer").partition(":")
    if kind == "signal":
        return f"for the signal {name}"
    if kind == "child":
        return f"for execution {name}"
    return _WAITS.get(kind, f"for {waiting_for or 'an answer'}")


def skip_sentence(reason: str, cause: object, cause_status: str | None = None) -> str:
    """Why a step was skipped, in words; `cause_status` is that of the step that brought it about."""
    by = f" ({cause})" if cause else ""
    why = f": {cause} failed" if cause and cause_status == "failed" else by
    words = {
        "condition_false": "its `when` was false",
        "branch_not_taken": f"branch not taken{why}",
        "upstream_skipped": f"nothing to follow{why}",
        "upstream_failed": f"a step before it failed{by}",
        "not_needed": f"not needed{by}",
        "manual_skip": "skipped by hand",
        "run_cancelled": "the execution was stopped first",
    }
    return words.get(reason, reason)
