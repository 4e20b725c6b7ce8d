"""One execution as it stands: the journal folded (`core.apply` does that, and nothing else changes a state).

Steps live in slots. The workflow's own come first, in the order of the definition; those of nested bodies, handlers
and compensations follow as they begin, a frame of slots for each. A slot is never used twice, so that what is reported
for one item can never be taken for another's.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop
from typing import Any, Literal

from tenuto.core import events as ev
from tenuto.core.events import StepError
from tenuto.core.graph import Block, Graph, Node

StepStatus = Literal[
    "pending", "queued", "running", "retrying", "waiting", "success", "failed", "skipped", "cancelled"
]
ExecutionStatus = Literal["pending", "running", "paused", "completed", "failed", "cancelled"]
Phase = Literal["normal", "handlers", "compensating", "cancelling"]

TERMINAL_STEP = frozenset({"success", "failed", "skipped", "cancelled"})
TERMINAL = frozenset({"completed", "failed", "cancelled"})

RETRY, WAIT, TOTAL, DEADLINE, START, QUEUE = range(6)
"""Kinds of timers: a retry is due, a wait is over, a step's total timeout, the execution's timeout, its `startAt`,
a step's `queueTimeout`."""

NOTHING: dict[str, Any] = {}
"""Stands for a dict that has nothing in it yet, and never gets anything."""

NONE_LEFT: list[Any] = []
"""Stands for a list of what is left to do once there is nothing, and never gets anything: the executions that a node
remembers are many, and each list of theirs is one more thing that the garbage collector walks."""

MOST_ERRORS = 1_000
"""So many tolerated failures of a map are kept with their errors."""


class Frame:
    """A block that is being done: its steps stand in the slots from `base` on. `owner` is the slot of the container
    (None for the workflow's own steps, handlers and compensations), `number` the item or round, `suffix` what tells
    the ids of its steps from those of other items. `context` holds the results of its steps; what it does not have is
    looked for in `parent`. `open` counts steps that have not ended; `is_cut` says that some were given up."""

    __slots__ = (
        "base", "block", "context", "first_failure", "generation", "is_cut", "keep", "number", "open", "owner", "parent",
        "suffix",
    )  # fmt: skip

    def __init__(
        self,
        block: Block,
        base: int,
        context: dict[str, Any],
        *,
        owner: int | None = None,
        parent: Frame | None = None,
        number: int | None = None,
        suffix: str = "",
        generation: int = 0,
    ) -> None:
        self.block = block
        self.base = base
        self.context = context
        self.owner = owner
        self.parent = parent
        self.number = number
        self.suffix = suffix
        self.generation = generation
        self.open = len(block.nodes)
        self.first_failure: int | None = None
        self.is_cut = False
        self.keep = False

    def slots(self) -> range:
        """The slots of its steps."""
        return range(self.base, self.base + len(self.block.nodes))


class ItemError:
    """Why an item of a map failed, and the nested step that did."""

    __slots__ = ("error", "number", "step")

    def __init__(self, number: int, error: StepError, step: str) -> None:
        self.number = number
        self.error = error
        self.step = step


class MapWork:
    """A map under way: `todo` are the numbers of items not begun, in order; `done` marks those that succeeded."""

    __slots__ = ("done", "errors", "failures", "frames", "items", "results", "todo")

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.results: list[Any] = [None] * len(items)
        self.done = bytearray(len(items))
        self.todo: deque[int] = deque(range(len(items)))
        self.frames: dict[int, Frame] = {}
        self.failures = 0
        self.errors: list[ItemError] = []

    def reopen(self) -> None:
        """Have every item that has not succeeded done again."""
        self.todo = deque(number for number, is_done in enumerate(self.done) if not is_done)
        self.frames = {}
        self.failures = 0
        self.errors = []


class LoopWork:
    """A loop under way: the round, its frame, and the result of the last round that ended, or why that failed."""

    __slots__ = ("error", "frame", "has_ended", "result", "round")

    def __init__(self) -> None:
        self.round = 0
        self.frame: Frame | None = None
        self.has_ended = False
        self.result: Any = None
        self.error: ItemError | None = None


class Approvals:
    """Who has approved so far."""

    __slots__ = ("given",)

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []


Work = Frame | MapWork | LoopWork | Approvals


class StepState:
    """One step as it stands. Times in ms since the epoch; `since` says when it last was queued, tried, or began to wait;
    `wake_at` is there while queued, retrying or waiting; `deadline` is the end of `totalTimeout`. `acting` says that an
    attempt runs now (an open container runs without). `infra` counts interrupted attempts, `lost` those among them that
    went down with a crash. The counts are of incoming edges: undecided, live, blocked, and those whose source failed.
    `work` is what goes on inside, `wait` the fact that it waits, `report` what came before it waited, `by` the person
    who ended it."""

    __slots__ = (
        "acting",
        "attempts",
        "blocked",
        "by",
        "cached",
        "caught",
        "cause",
        "chosen",
        "deadline",
        "end_time",
        "error",
        "failed",
        "frame",
        "generation",
        "id",
        "infra",
        "live",
        "lost",
        "node",
        "not_taken",
        "reason",
        "report",
        "result",
        "since",
        "slot",
        "start_time",
        "status",
        "undecided",
        "wait",
        "waiting_for",
        "wake_at",
        "work",
    )  # fmt: skip

    def __init__(self, node: Node, frame: Frame, slot: int, step_id: str, generation: int = 0) -> None:
        self.node = node
        self.frame = frame
        self.slot = slot
        self.id = step_id
        self.generation = generation
        self.status: StepStatus = "pending"
        self.undecided = node.in_count
        self.live = 0
        self.blocked = 0
        self.failed = 0
        self.not_taken = False
        self.cause: str | None = None
        self.attempts = 0
        self.infra = 0
        self.lost = 0
        self.acting = False
        self.cached = False
        self.caught = False
        self.start_time: int | None = None
        self.end_time: int | None = None
        self.since: int | None = None
        self.wake_at: int | None = None
        self.deadline: int | None = None
        self.waiting_for: str | None = None
        self.wait: ev.StepWaiting | None = None
        self.report: ev.StepReported | None = None
        self.work: Work | None = None
        self.result: Any = None
        self.error: StepError | None = None
        self.reason: ev.SkipReason | None = None
        self.chosen: frozenset[str] | None = None
        self.by: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it, unless a person has it redone."""
        return self.status in TERMINAL_STEP


class Rare:
    """What few executions have: signals, children, steps to undo. Made when it is first needed, for an execution
    that has none of it should not pay for eight empty containers."""

    __slots__ = (
        "children", "handlers_done", "listening", "signal_keys", "signals", "to_undo", "undoable", "undone",
    )  # fmt: skip

    def __init__(self) -> None:
        self.handlers_done: set[str] = set()
        self.undoable: dict[str, StepState] = {}
        """Steps that have succeeded and can be undone, by instance id, the last that succeeded last."""
        self.to_undo: list[str] = []
        self.undone: set[str] = set()
        self.signals: dict[str, deque[ev.SignalReceived]] = {}
        """Signals that no step has taken yet, by name."""
        self.signal_keys: set[tuple[str, str]] = set()
        self.listening: dict[str, list[int]] = {}
        """Slots of the steps that wait for a signal, by its name, the first to wait first."""
        self.children: list[str] = []
        """Executions that nobody waits for and that end with this one."""


class State:
    """One execution as it stands. `open` counts steps that have not ended, nested ones apart; `running` those whose
    attempt runs now, `queued` those that wait for slots, `seq` the decisions folded so far. `touched` and `tended` are
    slots for the next decision to look at: steps whose edges were decided, and containers inside which something
    ended."""

    __slots__ = (
        "_gone", "_rare", "began", "cancel", "compensation", "context", "deadline", "end_time", "ending", "error",
        "error_step", "execution_id", "fork_of", "graph", "input", "named", "open", "output", "output_requested",
        "parent", "paused_at", "phase", "phase_frame", "priority", "queued", "retries", "root", "running", "seq",
        "signal_count", "start_at", "start_time", "status", "steps", "tags", "tended", "terminated", "timers", "touched",
        "undoing", "vars", "version", "waits_for_slots", "workflow_id",
    )  # fmt: skip

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.execution_id = ""
        self.workflow_id = graph.definition.id
        self.version = graph.version
        self.status: ExecutionStatus = "pending"
        self.phase: Phase = "normal"
        self.input: dict[str, Any] = {}
        self.context: dict[str, Any] = {}
        self.root = Frame(graph.root, 0, self.context)
        self.steps = [StepState(node, self.root, node.index, node.id) for node in graph.nodes]
        self._gone: StepState | None = None
        self._rare: Rare | None = None
        self.named: dict[str, int] = NOTHING
        """Slots of the steps that are not the workflow's own, by instance id."""
        self.open = len(self.steps)
        self.running = 0
        self.queued = 0
        self.priority = 0
        self.tags: dict[str, str] = {}
        self.vars: dict[str, Any] = NOTHING
        self.parent: ev.ParentLink | None = None
        self.fork_of: ev.ForkLink | None = None
        self.start_at: int | None = None
        self.start_time = 0
        self.began = False
        self.waits_for_slots = False
        self.end_time: int | None = None
        self.deadline: int | None = None
        self.paused_at: int | None = None
        self.cancel: ev.CancelRequested | None = None
        self.ending: ev.HandlersStarted | ev.CompensationStarted | None = None
        """How it will end, once that is known and handlers or compensations still run."""
        self.phase_frame: Frame | None = None
        """The handlers, or the compensation, that run now."""
        self.undoing: str | None = None
        self.compensation: Literal["complete", "partial"] | None = None
        self.terminated = False
        self.error: StepError | None = None
        self.error_step: str | None = None
        self.output: Any = None
        self.output_requested = False
        self.retries = 0
        self.seq = 0
        self.signal_count = 0
        self.touched: list[int] = []
        self.tended: list[int] = []
        self.timers: list[tuple[int, int, int]] = []

    @property
    def rare(self) -> Rare:
        """What few executions have."""
        if self._rare is None:
            self._rare = Rare()
        return self._rare

    @property
    def has_rare(self) -> bool:
        """Whether there is anything of that kind."""
        return self._rare is not None

    @property
    def gone(self) -> StepState:
        """What stands in the slots of steps that are forgotten."""
        if self._gone is None:
            self._gone = StepState(self.graph.nodes[0], self.root, -1, "")
            self._gone.status = "skipped"
        return self._gone

    @property
    def is_terminal(self) -> bool:
        """Whether the execution has ended (a retry may bring a failed one back)."""
        return self.status in TERMINAL

    @property
    def first_failure(self) -> int | None:
        """The slot of the critical step of the workflow's own that failed first, if any did."""
        return self.root.first_failure

    def step(self, step_id: str) -> StepState:
        """The step of that (instance) id. Raises KeyError."""
        slot = self.graph.index.get(step_id)
        return self.steps[self.named[step_id] if slot is None else slot]

    def find_step(self, step_id: str) -> StepState | None:
        """The step of that (instance) id, if there is one now."""
        slot = self.graph.index.get(step_id)
        if slot is None:
            slot = self.named.get(step_id)
        return None if slot is None else self.steps[slot]

    def knows_step(self, step_id: str) -> bool:
        """Whether there is such a step, or may be one in an item, a round or a phase that is not there now."""
        if step_id in self.graph.index or step_id in self.named:
            return True
        static_id = step_id.partition("[")[0]
        return any(node.id == static_id for node in self.graph.all_nodes)

    def own_steps(self) -> list[StepState]:
        """The workflow's own steps, in the order of the definition."""
        steps = self.steps
        return steps if len(steps) == len(self.graph.nodes) else steps[: len(self.graph.nodes)]

    def nested_steps(self) -> list[StepState]:
        """Steps of bodies, handlers and compensations that there are now."""
        return [self.steps[slot] for slot in self.named.values()]


def next_wake(state: State) -> int | None:
    """The earliest instant at which time alone moves this execution; None while paused, ended, or never."""
    if state.status != "running" and (state.status != "pending" or state.start_at is None):
        return None
    timers = state.timers
    while timers and not timer_holds(state, timers[0]):
        heappop(timers)
    return timers[0][0] if timers else None


def timer_holds(state: State, timer: tuple[int, int, int]) -> bool:
    """Whether the timer (due, kind, slot) still stands for something."""
    due, kind, slot = timer
    if kind == DEADLINE:
        return state.deadline == due and not state.is_terminal
    if kind == START:
        return state.status == "pending" and state.start_at == due and not state.waits_for_slots
    step = state.steps[slot]
    if kind == RETRY:
        return step.status == "retrying" and step.wake_at == due
    if kind == WAIT:
        return step.status == "waiting" and step.wake_at == due
    if kind == QUEUE:
        return step.status == "queued" and step.wake_at == due
    return step.deadline == due and step.status not in TERMINAL_STEP


def is_parked(state: State) -> bool:
    """Whether nothing of the execution runs now or waits for slots: only time, a message or a person moves it."""
    return not (state.running or state.output_requested or state.waits_for_slots or state.queued)


def look_again(state: State) -> None:
    """Have the next decision look at every step that has not started and inside every container: for a state just
    folded from its journal, whose last decision may have been made while nothing was to start."""
    if not state.is_terminal:
        state.touched = [step.slot for step in state.steps if step.status == "pending"]
        state.tended = [step.slot for step in state.steps if is_open(step)]


def is_open(step: StepState) -> bool:
    """Whether it is a container inside which something goes on or may begin."""
    return step.status == "running" and not step.acting and step.node.kind != "task"


def frames_in(step: StepState) -> list[Frame]:
    """The frames that are open inside a container."""
    match step.work:
        case Frame():
            return [step.work]
        case LoopWork():
            return [] if step.work.frame is None else [step.work.frame]
        case MapWork():
            return list(step.work.frames.values())
    return []
