"""The journal of one execution, folded. `apply` is the only thing that changes a state; it takes a fact and never
asks whether the fact was wise. `decide` makes the facts.

A fact about a step decides the step's outgoing edges here, by counting at their targets; the targets whose counts
moved are left in `touched` for `decide` to look at.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Literal

from tenuto.core import events as ev
from tenuto.core.events import StepError
from tenuto.core.graph import EdgeKind, Graph, Node

StepStatus = Literal[
    "pending", "queued", "running", "retrying", "waiting", "success", "failed", "skipped", "cancelled"
]
ExecutionStatus = Literal["pending", "running", "paused", "completed", "failed", "cancelled"]
Phase = Literal["normal", "handlers", "compensating", "cancelling"]

TERMINAL_STEP = frozenset({"success", "failed", "skipped", "cancelled"})
TERMINAL = frozenset({"completed", "failed", "cancelled"})

RETRY, WAIT, TOTAL, DEADLINE = range(4)
"""Kinds of timers: a retry is due, a wait is over, a step's total timeout, the execution's timeout."""


class StepState:
    """One step as it stands. Times in ms since the epoch; `wake_at` while retrying or waiting; `deadline` is the end of
    `totalTimeout`. `infra` counts interrupted attempts, `lost` those among them that went down with a crash. The
    counts are of incoming edges: undecided, live, blocked, and those whose source failed."""

    __slots__ = (
        "attempts", "blocked", "cause", "chosen", "deadline", "end_time", "error", "failed", "generation", "infra", "live",
        "lost", "not_taken", "reason", "result", "start_time", "status", "undecided", "waiting_for", "wake_at",
    )  # fmt: skip

    def __init__(self, undecided: int, generation: int = 0) -> None:
        self.status: StepStatus = "pending"
        self.undecided = undecided
        self.live = 0
        self.blocked = 0
        self.failed = 0
        self.not_taken = False
        self.cause: str | None = None
        self.attempts = 0
        self.infra = 0
        self.lost = 0
        self.generation = generation
        self.start_time: int | None = None
        self.end_time: int | None = None
        self.wake_at: int | None = None
        self.deadline: int | None = None
        self.waiting_for: str | None = None
        self.result: Any = None
        self.error: StepError | None = None
        self.reason: ev.SkipReason | None = None
        self.chosen: frozenset[str] | None = None


class State:
    """One execution as it stands. `open` counts steps that have not ended, `running` those whose
    attempt runs now, `seq` the decisions folded so far."""

    __slots__ = (
        "cancel", "context", "deadline", "end_time", "error", "error_step", "execution_id", "first_failure", "graph",
        "input", "open", "output", "output_requested", "paused_at", "phase", "priority", "retries", "running", "seq",
        "start_time", "status", "steps", "tags", "terminated", "timers", "touched", "version", "workflow_id",
    )  # fmt: skip

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.execution_id = ""
        self.workflow_id = graph.definition.id
        self.version = graph.version
        self.status: ExecutionStatus = "pending"
        self.phase: Phase = "normal"
        self.steps = [StepState(node.in_count) for node in graph.nodes]
        self.open = len(self.steps)
        self.running = 0
        self.input: dict[str, Any] = {}
        self.context: dict[str, Any] = {}
        self.priority = 0
        self.tags: dict[str, str] = {}
        self.start_time = 0
        self.end_time: int | None = None
        self.deadline: int | None = None
        self.paused_at: int | None = None
        self.cancel: ev.CancelRequested | None = None
        self.terminated = False
        self.first_failure: int | None = None
        self.error: StepError | None = None
        self.error_step: str | None = None
        self.output: Any = None
        self.output_requested = False
        self.retries = 0
        self.seq = 0
        self.touched: list[int] = []
        self.timers: list[tuple[int, int, int]] = []

    @property
    def is_terminal(self) -> bool:
        """Whether the execution has ended (a retry may bring a failed one back)."""
        return self.status in TERMINAL

    def step(self, step_id: str) -> StepState:
        """The step of that id. Raises KeyError."""
        return self.steps[self.graph.index[step_id]]


def apply(state: State, event: ev.AnyEvent, at: int) -> None:
    """Fold one fact, recorded at instant `at`, into the state."""
    _FOLDS[type(event)](state, event, at)


def next_wake(state: State) -> int | None:
    """The earliest instant at which time alone moves this execution; None while paused, ended, or never."""
    if state.status != "running":
        return None
    timers = state.timers
    while timers and not timer_holds(state, timers[0]):
        heappop(timers)
    return timers[0][0] if timers else None


def timer_holds(state: State, timer: tuple[int, int, int]) -> bool:
    """Whether the timer (due, kind, step) still stands for something."""
    due, kind, i = timer
    if kind == DEADLINE:
        return state.deadline == due and not state.is_terminal
    step = state.steps[i]
    if kind == RETRY:
        return step.status == "retrying" and step.wake_at == due
    if kind == WAIT:
        return step.status == "waiting" and step.wake_at == due
    return step.deadline == due and step.status not in TERMINAL_STEP


def is_parked(state: State) -> bool:
    """Whether nothing of the execution runs now: only time or a person moves it."""
    return not state.running and not state.output_requested


def look_again(state: State) -> None:
    """Have the next decision look at every step that has not started: for a state just folded from its journal, whose
    last decision may have been made while nothing was to start."""
    if not state.is_terminal:
        state.touched = [i for i, step in enumerate(state.steps) if step.status == "pending"]


def _started(state: State, event: ev.ExecutionStarted, at: int) -> None:
    state.execution_id = event.execution_id
    state.status = "running"
    state.input = event.context
    state.context = dict(event.context)
    state.priority = event.priority
    state.tags = event.tags
    state.start_time = at
    state.touched.extend(state.graph.roots)
    _set_deadline(state, at)


def _set_deadline(state: State, at: int) -> None:
    timeout = state.graph.definition.timeout
    state.deadline = at + timeout if timeout else None
    if state.deadline is not None:
        heappush(state.timers, (state.deadline, DEADLINE, -1))


def _step_started(state: State, event: ev.StepStarted, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    step.status = "running"
    state.running += 1
    step.attempts = event.attempt
    step.wake_at = None
    if step.start_time is None:
        step.start_time = at
        total = state.graph.nodes[i].total_timeout
        if total:
            step.deadline = at + total
            heappush(state.timers, (step.deadline, TOTAL, i))


def _step_waiting(state: State, event: ev.StepWaiting, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _leave_running(state, step)
    step.status = "waiting"
    step.waiting_for = event.waiting_for
    step.wake_at = event.until
    step.result = event.result
    if event.until is not None:
        heappush(state.timers, (event.until, WAIT, i))


def _attempt_failed(state: State, event: ev.AttemptFailed, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _leave_running(state, step)
    step.status = "retrying"
    step.error = event.error
    step.wake_at = event.retry_at
    heappush(state.timers, (event.retry_at, RETRY, i))


def _attempt_interrupted(state: State, event: ev.AttemptInterrupted, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _leave_running(state, step)
    step.status = "retrying"
    step.infra += 1
    step.lost += event.counted
    step.wake_at = event.retry_at
    heappush(state.timers, (event.retry_at, RETRY, i))


def _step_succeeded(state: State, event: ev.StepSucceeded, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _end_step(state, step, "success", at)
    step.error = None
    step.result = event.result
    step.chosen = None if event.chosen is None else frozenset(event.chosen)
    state.context[event.step] = event.result
    _decide_edges(state, state.graph.nodes[i], step)


def _step_failed(state: State, event: ev.StepFailed, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _end_step(state, step, "failed", at)
    step.error = event.error
    step.result = None
    node = state.graph.nodes[i]
    if node.critical and state.first_failure is None:
        state.first_failure = i
    _decide_edges(state, node, step)


def _step_skipped(state: State, event: ev.StepSkipped, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _end_step(state, step, "skipped", at)
    step.attempts = 0
    step.start_time = None
    step.reason = event.reason
    step.cause = event.cause
    _decide_edges(state, state.graph.nodes[i], step)


def _step_cancelled(state: State, event: ev.StepCancelled, at: int) -> None:
    i = state.graph.index[event.step]
    step = state.steps[i]
    _end_step(state, step, "cancelled", at)
    step.result = None
    _decide_edges(state, state.graph.nodes[i], step)


def _end_step(state: State, step: StepState, status: StepStatus, at: int) -> None:
    assert step.status not in TERMINAL_STEP, "a step ends once"
    _leave_running(state, step)
    step.status = status
    step.end_time = at
    step.wake_at = None
    step.waiting_for = None
    state.open -= 1


def _leave_running(state: State, step: StepState) -> None:
    if step.status == "running":
        state.running -= 1


def _decide_edges(state: State, node: Node, step: StepState, only: set[int] | None = None) -> None:
    """Decide the step's outgoing edges by how it ended (each exactly once), to the targets in `only` if given."""
    ran = step.status in ("success", "failed")
    cause = step.cause or node.id if step.status == "skipped" else node.id
    for target_index, kind in node.out:
        if only is not None and target_index not in only:
            continue
        target = state.steps[target_index]
        target.undecided -= 1
        if _lives(state, node, step, target_index, kind):
            target.live += 1
        elif _blocks(node, step, kind):
            if not target.blocked:
                target.cause = cause
            target.blocked += 1
        else:
            target.not_taken = target.not_taken or ran
            if target.cause is None:
                target.cause = cause
        if step.status == "failed":
            target.failed += 1
        state.touched.append(target_index)


def _lives(state: State, node: Node, step: StepState, target: int, kind: EdgeKind) -> bool:
    if step.status == "success":
        if node.is_decision:
            chosen = step.chosen or frozenset()
            return kind != EdgeKind.DEPENDENCY and state.graph.nodes[target].id in chosen
        return kind in (EdgeKind.DEPENDENCY, EdgeKind.SUCCESS)
    if step.status == "failed":
        if kind == EdgeKind.DEPENDENCY:
            return node.continues and not node.is_decision  # a decision leads only where its ways are named
        return kind == EdgeKind.FAILURE
    return False


def _blocks(node: Node, step: StepState, kind: EdgeKind) -> bool:
    if kind != EdgeKind.DEPENDENCY:
        return False
    if step.status == "failed":
        return not node.continues
    return step.status == "skipped" and step.reason == "upstream_failed"


def _paused(state: State, event: ev.ExecutionPaused, at: int) -> None:
    state.status = "paused"
    state.paused_at = at


def _resumed(state: State, event: ev.ExecutionResumed, at: int) -> None:
    """Time spent paused counts towards no timeout, so deadlines move by it; instants waited for do not."""
    assert state.paused_at is not None, "only a paused execution resumes"
    spent = at - state.paused_at
    state.status = "running"
    state.paused_at = None
    if state.deadline is not None:
        state.deadline += spent
        heappush(state.timers, (state.deadline, DEADLINE, -1))
    for i, step in enumerate(state.steps):
        if step.deadline is not None and step.status not in TERMINAL_STEP:
            step.deadline += spent
            heappush(state.timers, (step.deadline, TOTAL, i))
        if step.status == "pending":
            state.touched.append(i)


def _cancel_requested(state: State, event: ev.CancelRequested, at: int) -> None:
    """To cancel ends a pause; to drain does not, for retries and waits go on then."""
    state.cancel = event
    state.phase = "cancelling"
    if state.paused_at is not None and event.mode == "cancel":
        state.status = "running"
        state.paused_at = None


def _output_requested(state: State, event: ev.OutputRequested, at: int) -> None:
    state.output_requested = True


def _completed(state: State, event: ev.ExecutionCompleted, at: int) -> None:
    _end(state, "completed", at)
    state.output = event.output


def _failed(state: State, event: ev.ExecutionFailed, at: int) -> None:
    _end(state, "failed", at)
    state.error = event.error
    state.error_step = event.step


def _cancelled(state: State, event: ev.ExecutionCancelled, at: int) -> None:
    _end(state, "cancelled", at)
    state.terminated = event.terminated
    if event.terminated:
        state.error = StepError("terminated", event.reason or "ended at once by request")


def _end(state: State, status: ExecutionStatus, at: int) -> None:
    assert state.open == 0, "an ended execution has only ended steps"
    state.status = status
    state.phase = "normal"
    state.end_time = at
    state.paused_at = None
    state.output_requested = False
    state.timers.clear()
    state.touched.clear()


def _retried(state: State, event: ev.ExecutionRetried, at: int) -> None:
    """Put the named steps back to the beginning, one generation on, and decide anew the edges that lead to them from
    steps that keep their results."""
    state.status = "running"
    state.end_time = state.error = state.error_step = state.cancel = state.first_failure = None
    state.terminated = False
    state.retries += 1
    state.timers.clear()
    state.touched.clear()
    again = {state.graph.index[step_id] for step_id in event.steps}
    for i in again:
        state.context.pop(state.graph.nodes[i].id, None)
        state.steps[i] = StepState(state.graph.nodes[i].in_count, state.steps[i].generation + 1)
    state.open = len(again)
    for i, step in enumerate(state.steps):
        if i not in again:
            _decide_edges(state, state.graph.nodes[i], step, only=again)
    state.touched.extend(sorted(again))
    _set_deadline(state, at)


_FOLDS: dict[type[ev.Event], Callable[[State, Any, int], None]] = {
    ev.ExecutionStarted: _started,
    ev.StepStarted: _step_started,
    ev.StepWaiting: _step_waiting,
    ev.AttemptFailed: _attempt_failed,
    ev.AttemptInterrupted: _attempt_interrupted,
    ev.StepSucceeded: _step_succeeded,
    ev.StepFailed: _step_failed,
    ev.StepSkipped: _step_skipped,
    ev.StepCancelled: _step_cancelled,
    ev.ExecutionPaused: _paused,
    ev.ExecutionResumed: _resumed,
    ev.CancelRequested: _cancel_requested,
    ev.OutputRequested: _output_requested,
    ev.ExecutionCompleted: _completed,
    ev.ExecutionFailed: _failed,
    ev.ExecutionCancelled: _cancelled,
    ev.ExecutionRetried: _retried,
}
