"""What everything in an execution must come to, steps inside steps included.

Each block of steps (the workflow's own, those inside a container, a list of handlers) is a flat workflow to
the rules; a container is a step of its block whose outcome follows from the block inside it. So this is a
recursion, and again there is no order of events in it. Where the language leaves something to the order in
which things happen, that is an argument (`Taken`), and what is said here is what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Protocol

from tests.model import rules

Outcome = Literal["completed", "failed", "cancelled"]

DEFAULT_CONCURRENCY = 100
DEFAULT_ITERATIONS = 1_000
OF_THE_ACTION = ("id", "action", "params", "retryPolicy")
"""What of a map or loop without nested steps is said of the action in it."""


class Script(Protocol):
    """What happens to the steps, by instance id; None is what is not known yet."""

    def outcome(self, instance: str, step: rules.Step) -> rules.Outcome | None:
        """How the step's attempts end, all in all."""

    def truth(self, instance: str, step: rules.Step) -> rules.Truth | None:
        """Whether its `when` holds."""

    def items(self, instance: str, step: rules.Step) -> int | str | None:
        """How many items a map has, or the type of the error that they are."""

    def verdict(self, instance: str, step: rules.Step, number: int) -> bool | str | None:
        """Whether a loop's `until` holds after this round, or the type of the error that it is."""

    def result(self, instance: str, step: rules.Step) -> Any:
        """What the step returns if it succeeds."""


class Taken(NamedTuple):
    """What the order in which things happened decided: ends that came from outside (a person, a join that
    gave up the rest) with their results, how many items a map had begun when it had failed, and the error of
    a container in which several steps failed."""

    given: Mapping[str, rules.End] = {}
    results: Mapping[str, Any] = {}
    begun: Mapping[str, int] = {}
    errors: Mapping[str, str] = {}


class Inside(NamedTuple):
    """What a block came to. `errors` are the types of the failures that fail it; `result` holds that of each
    step that succeeded."""

    has_ended: bool
    errors: frozenset[str]
    result: dict[str, Any]


class Whole(NamedTuple):
    """How every step ended, by instance id, and what those that succeeded returned; `possible_errors` of each
    container that failed, and `outcome` of the execution before handlers (None: not known yet)."""

    standings: dict[str, rules.Standing]
    results: dict[str, Any]
    possible_errors: dict[str, frozenset[str]]
    outcome: Outcome | None

    def kinds(self) -> dict[str, str]:
        return {instance: rules.kind_of(standing) for instance, standing in self.standings.items()}


class _Items(NamedTuple):
    """What the items of a map have come to."""

    under_way: int
    failures: int
    errors: frozenset[str]
    results: list[Any]


NOTHING_TAKEN = Taken()


def predict(definition: Mapping[str, Any], script: Script, taken: Taken = NOTHING_TAKEN) -> Whole:
    """All that follows for the steps of the workflow."""
    return predict_block(definition["steps"], script, taken)


def predict_block(steps: Sequence[rules.Step], script: Script, taken: Taken = NOTHING_TAKEN) -> Whole:
    """All that follows for one block whose steps go by their own names (the workflow's, or handlers)."""
    whole = Whole({}, {}, {}, None)
    inside = _Nest(whole, script, taken).block(steps, "")
    if not inside.has_ended:
        return whole
    return whole._replace(outcome="failed" if inside.errors else "completed")


class _Nest:
    """Fills a `Whole` from the inside out."""

    def __init__(self, whole: Whole, script: Script, taken: Taken) -> None:
        self.whole = whole
        self.script = script
        self.taken = taken

    def block(self, steps: Sequence[rules.Step], suffix: str) -> Inside:
        """What a block comes to whose steps go by their ids with this suffix."""
        by_id = {step["id"]: step for step in steps}
        given = {name: end for name in by_id if (end := self.taken.given.get(name + suffix)) is not None}
        conditions = {
            name: self._truth(name + suffix, step) for name, step in by_id.items() if "when" in step
        }
        ends = rules.predict({"steps": steps}, _Outcomes(self, by_id, suffix), conditions, given)
        for name, standing in ends.steps.items():
            self.whole.standings[name + suffix] = standing
            if isinstance(standing, rules.End) and standing.status == "success" and name in given:
                self.whole.results[name + suffix] = self.taken.results.get(name + suffix)
        failures = {
            end.error or "unknown"
            for name, end in ends.steps.items()
            if isinstance(end, rules.End) and rules.fails_what_it_is_in(by_id[name], end)
        }
        result = {
            name: self.whole.results[name + suffix]
            for name, end in ends.steps.items()
            if isinstance(end, rules.End) and end.status == "success"
        }
        return Inside(ends.execution is not None, frozenset(failures), result)

    def _truth(self, instance: str, step: rules.Step) -> rules.Truth | None:
        """Whether the condition holds."""
        return self.script.truth(instance, step)

    def outcome(self, step: rules.Step, suffix: str) -> rules.Outcome | None:
        """How a step ends that runs; its result is noted if it succeeds."""
        instance = step["id"] + suffix
        match step.get("type"):
            case "parallel" if step.get("steps"):
                return self._parallel(instance, step, suffix)
            case "map":
                return self._map(instance, step, suffix)
            case "loop":
                return self._loop(instance, step, suffix)
        outcome = self.script.outcome(instance, step)
        if outcome is not None and outcome != "skip" and outcome[0] != "fail" and outcome != rules.FAIL:
            self.whole.results[instance] = self.script.result(instance, step)
        return outcome

    def _body(self, step: rules.Step, suffix: str) -> tuple[Inside, Any]:
        """What an item or a round comes to, and its result: of nested steps theirs by id, else the action's
        own."""
        if step.get("steps"):
            inside = self.block(step["steps"], suffix)
            return inside, inside.result
        inside = self.block([{name: step[name] for name in OF_THE_ACTION if name in step}], suffix)
        return inside, inside.result.get(step["id"])

    def _parallel(self, instance: str, step: rules.Step, suffix: str) -> rules.Outcome | None:
        inside, result = self._body(step, suffix)
        if not inside.has_ended:
            return None
        return self._failed(instance, inside.errors) if inside.errors else self._succeeded(instance, result)

    def _map(self, instance: str, step: rules.Step, suffix: str) -> rules.Outcome | None:
        count = self.script.items(instance, step)
        if count is None or isinstance(count, str):
            return None if count is None else ("fail", count)
        trial = _Nest(Whole({}, {}, {}, None), self.script, self.taken)
        items = trial._items(step, suffix, count, count)
        if items.failures > tolerated(step, count):  # no further item begins: when, is the order's to say
            begun = self.taken.begun.get(instance, count)
            items = self._items(step, suffix, count, begun)
        else:
            items = self._items(step, suffix, count, count)
        if items.under_way:
            return None
        if items.failures > tolerated(step, count):
            return self._failed(instance, items.errors)
        return self._succeeded(instance, items.results)

    def _items(self, step: rules.Step, suffix: str, count: int, most: int) -> _Items:
        """What the items come to that have begun: the first `most`, as long as there is room for them."""
        at_once = step.get("maxConcurrency", DEFAULT_CONCURRENCY) or count
        results: list[Any] = [None] * count
        under_way, failures, errors = 0, 0, frozenset[str]()
        for number in range(min(count, most)):
            if under_way == at_once:
                break
            inside, result = self._body(step, f"{suffix}[{number}]")
            if not inside.has_ended:
                under_way += 1
            elif inside.errors:
                failures, errors = failures + 1, errors | inside.errors
            else:
                results[number] = result
        return _Items(under_way, failures, errors, results)

    def _loop(self, instance: str, step: rules.Step, suffix: str) -> rules.Outcome | None:
        for number in range(step.get("maxIterations", DEFAULT_ITERATIONS)):
            inside, result = self._body(step, f"{suffix}[{number}]")
            if not inside.has_ended:
                return None
            if inside.errors:
                return self._failed(instance, inside.errors)
            verdict = self.script.verdict(instance, step, number)
            if verdict is None or isinstance(verdict, str):
                return None if verdict is None else ("fail", verdict)
            if verdict:
                return self._succeeded(instance, result)
        return "fail", "loop_limit"

    def _succeeded(self, instance: str, result: Any) -> rules.Outcome:
        self.whole.results[instance] = result
        return rules.SUCCESS

    def _failed(self, instance: str, errors: frozenset[str]) -> rules.Outcome:
        """With the error that came first, which is the order's to say where there are several."""
        self.whole.possible_errors[instance] = errors
        first = self.taken.errors.get(instance)
        return "fail", first if first in errors else min(errors)


class _Outcomes(Mapping[str, rules.Outcome]):
    """How the steps of one block end, worked out when asked for."""

    def __init__(self, nest: _Nest, steps: Mapping[str, rules.Step], suffix: str) -> None:
        self._nest = nest
        self._steps = steps
        self._suffix = suffix

    def __getitem__(self, name: str) -> rules.Outcome:
        outcome = self._nest.outcome(self._steps[name], self._suffix)
        if outcome is None:
            raise KeyError(name)
        return outcome

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def tolerated(step: rules.Step, count: int) -> Fraction:
    """How many of so many items may fail: a count, or a share of them."""
    written = step.get("toleratedFailures", 0)
    if isinstance(written, str):
        return Fraction(written.removesuffix("%")) * count / 100
    return Fraction(written)


# --- the end of an execution -----------------------------------------------------------------------------------


class Ending(NamedTuple):
    """What comes after the steps: those of the handlers that run, in this order, and how the execution ends for it."""

    handlers: dict[str, Whole]
    outcome: Outcome | None


def predict_handlers(
    definition: Mapping[str, Any], outcome: Outcome, script: Script, taken: Taken = NOTHING_TAKEN
) -> Ending:
    """The handlers of an execution that was to end like this. One list begins when the one before it has ended;
    a failure in them turns what was completed into failed."""
    written = definition.get("handlers", {})
    first = {"failed": "failure", "cancelled": "cancel"}.get(outcome)
    handlers: dict[str, Whole] = {}
    final = outcome
    for name in (first, "always"):
        if name is None or not written.get(name):
            continue
        handlers[name] = predict_block(written[name], script, taken)
        if handlers[name].outcome is None:
            return Ending(handlers, None)
        if handlers[name].outcome == "failed" and final == "completed":
            final = "failed"
    return Ending(handlers, final)


class Undoing(NamedTuple):
    """The instances that are undone, in order; the last of them failed if it is `partial`."""

    undone: tuple[str, ...]
    state: Literal["complete", "partial"] | None


def predict_compensation(
    definition: Mapping[str, Any], outcome: Outcome, succeeded: Iterable[str], script: Script
) -> Undoing:
    """What is undone when the execution ends like this, `succeeded` being every success in the order that they
    happened in: each that can be undone, the last first, until one cannot be."""
    wanted = outcome in definition.get("compensation", {}).get("on", ("failed", "cancelled"))
    written = {step["id"]: step for step in all_steps(definition["steps"]) if "compensate" in step}
    depths = dict(depth_of(definition["steps"]))
    last_first = [
        instance
        for instance in reversed(list(succeeded))
        if split(instance)[0] in written and instance.count("[") == depths[split(instance)[0]]
    ]
    undone: list[str] = []
    for instance in last_first if wanted else ():
        name, suffix = split(instance)
        undo = f"{name}:compensate{suffix}"
        undone.append(undo)
        if script.outcome(undo, written[name]["compensate"]) != rules.SUCCESS:
            return Undoing(tuple(undone), "partial")
    return Undoing(tuple(undone), "complete" if undone else None)


def all_steps(steps: Iterable[rules.Step]) -> Iterator[rules.Step]:
    """The steps and those inside them."""
    for step in steps:
        yield step
        yield from all_steps(step.get("steps", ()))


def depth_of(steps: Iterable[rules.Step], depth: int = 0) -> Iterator[tuple[str, int]]:
    """How many suffixes an instance id of each step has: one for each map or loop around it."""
    for step in steps:
        yield step["id"], depth
        yield from depth_of(step.get("steps", ()), depth + (step.get("type") in ("map", "loop")))


def split(instance: str) -> tuple[str, str]:
    """The step's id and the suffix of an instance id."""
    name, bracket, rest = instance.partition("[")
    return name, bracket + rest
