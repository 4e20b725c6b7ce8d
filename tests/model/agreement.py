"""Where the core and the model disagree about an execution: at its end, and at every moment before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenuto.core import events as ev
from tests.model import nested, rules
from tests.model.nested import split
from tests.model.script import SoFar
from tests.model.stage import Stage
from tests.model.tally import Tally, blocks, parents, taken, tally


def disagreements(stage: Stage, moments: int = 5) -> list[str]:
    """What is wrong with the execution as it stands now, said in sentences. Up to so many moments before its end are
    looked at too, chosen by the stage's draws."""
    definition = stage.play.definition
    final = nested.predict(definition, stage.play.script, taken(definition, stage.told))
    found: list[str] = []
    chosen = {stage.draws.pick(stage.moments) for _ in range(moments)}
    steps_end = next((i for i, event in enumerate(stage.seen) if _begins_ending(event)), len(stage.seen))
    for moment in sorted(chosen):
        if moment < steps_end:
            found += (f"after event {moment}: {said}" for said in _at_moment(stage, moment, final))
    found += _standings(definition, stage.told, final, is_final=True)
    if stage.state.is_terminal:
        found += _ending(stage, final)
        found += _results(stage, final)
    return found


def _begins_ending(event: ev.AnyEvent) -> bool:
    """Whether the event belongs to what comes after the steps, or stops them."""
    after = ev.HandlersStarted | ev.CompensationStarted | ev.CancelRequested
    return isinstance(event, after | ev.ExecutionCompleted | ev.ExecutionFailed | ev.ExecutionCancelled)


def _at_moment(stage: Stage, moment: int, final: nested.Whole) -> Iterator[str]:
    definition = stage.play.definition
    told = tally(stage.seen[:moment])
    order = taken(definition, told)
    # A skip may come before the last edge is decided, if it is the skip that comes in the end.
    to_come = nested.predict(definition, stage.play.script, order).standings | final.standings
    early = {
        instance: end
        for instance in told.ends
        if instance not in order.given
        and isinstance(end := to_come.get(instance), rules.End)
        and end.status == told.ends[instance].status == "skipped"
    }
    known = SoFar(stage.play.script, told.ends.keys(), told.opened, told.rounds)
    so_far = nested.predict(definition, known, order._replace(given={**order.given, **early}))
    yield from _standings(definition, told, so_far, is_final=False)
    yield from _not_given_up(definition, told)


def _standings(
    definition: Mapping[str, Any], told: Tally, whole: nested.Whole, *, is_final: bool
) -> Iterator[str]:
    given = taken(definition, told).given
    own = set(dict(nested.depth_of(definition["steps"])))
    above = parents(definition["steps"])
    depths = dict(nested.depth_of(definition["steps"]))
    for instance in sorted(whole.standings.keys() | told.ends.keys() | told.begun):
        if split(instance)[0] not in own:
            continue
        if any(outer in given for outer in _around(instance, above, depths)):
            if is_final and instance in told.begun and instance not in told.ends:
                yield f"{instance} has not ended, though what it is in has"
            continue
        predicted = whole.standings.get(instance)
        actual = told.ends.get(instance)
        if isinstance(predicted, rules.End) and actual is not None:
            yield from _ends(instance, predicted, actual)
            continue
        wanted = "nothing" if predicted is None else rules.kind_of(predicted)
        stands = actual.kind if actual is not None else "running" if instance in told.begun else "nothing"
        if wanted != stands:
            yield f"{instance} stands at {stands}, the model says {wanted}"


def _ends(instance: str, predicted: rules.End, actual: rules.End) -> Iterator[str]:
    if predicted.status != actual.status:
        yield f"{instance} ended {actual.status} {_why(actual)}, the model says {predicted.status} {_why(predicted)}"
    elif actual.status == "skipped" and not actual.reasons <= predicted.reasons:
        yield f"{instance} skipped {_why(actual)}, the model says {_why(predicted)}"
    elif actual.status == "failed" and predicted.error != actual.error:
        yield f"{instance} failed as {actual.error}, the model says {predicted.error}"


def _why(end: rules.End) -> str:
    return " or ".join(sorted(end.reasons)) or (end.error or "")


def _around(instance: str, above: Mapping[str, str | None], depths: Mapping[str, int]) -> Iterator[str]:
    """The instances of the containers that the instance is in, the inmost first."""
    name, suffix = split(instance)
    brackets = [f"[{part}" for part in suffix.split("[")[1:]]
    if len(brackets) > depths[name]:  # the action in a map or loop
        brackets = brackets[:-1]
        yield name + "".join(brackets)
    outer = above[name]
    while outer is not None:
        brackets = brackets[: depths[outer]]
        yield outer + "".join(brackets)
        outer = above[outer]


def _not_given_up(definition: Mapping[str, Any], told: Tally) -> Iterator[str]:
    """A step that gives up the rest has no step before it that goes on."""
    by_id = {step["id"]: step for block in blocks(definition["steps"]) for step in block}
    depths = dict(nested.depth_of(definition["steps"]))
    for block in blocks(definition["steps"]):
        for edge in rules.edges_of({"steps": block}):
            if not rules.gives_up_the_rest(by_id[edge.target]):
                continue
            for instance in told.begun:
                name, suffix = split(instance)
                source = edge.source + suffix
                if name != edge.target or suffix.count("[") != depths[name]:
                    continue
                if source not in told.ends:
                    yield f"{source} goes on although {instance} has begun"


# --- the end -----------------------------------------------------------------------------------------------------


def _ending(stage: Stage, whole: nested.Whole) -> Iterator[str]:
    state, told, script = stage.state, stage.told, stage.play.script
    definition = stage.play.definition
    outcome = _outcome(stage.seen, whole)
    ending = nested.predict_handlers(definition, outcome, script)
    wanted = [(name, outcome) for name in ending.handlers]
    if told.handlers != wanted:
        yield f"the handlers were {told.handlers}, the model says {wanted}"
    standings = {name: end for handler in ending.handlers.values() for name, end in handler.standings.items()}
    for name, end in standings.items():
        if name not in told.ends:
            yield f"the handler {name} has not ended, the model says {rules.kind_of(end)}"
        elif isinstance(end, rules.End):
            yield from _ends(name, end, told.ends[name])
    if state.status != ending.outcome:
        yield f"the execution {state.status}, the model says {ending.outcome}"
        return
    before = [name for name in told.succeeded if split(name)[0] not in _handler_ids(definition)]
    undoing = nested.predict_compensation(definition, state.status, before, script)
    undone = tuple(_undo_of(name) for name in told.undone)
    if undone != undoing.undone:
        yield f"undone were {undone}, the model says {undoing.undone}"
    if state.compensation != undoing.state:
        yield f"compensation {state.compensation}, the model says {undoing.state}"


def _outcome(events: Sequence[ev.AnyEvent], whole: nested.Whole) -> nested.Outcome:
    """How the execution was to end before its handlers: as asked if somebody asked, unless it had failed before."""
    request = next((event for event in events if isinstance(event, ev.CancelRequested)), None)
    assert whole.outcome is not None, "all steps have ended"
    if request is not None and request.outcome == "cancelled":
        return "cancelled"
    if whole.outcome == "failed" or request is None:
        return whole.outcome
    return request.outcome


def _handler_ids(definition: Mapping[str, Any]) -> set[str]:
    return {step["id"] for steps in definition.get("handlers", {}).values() for step in steps}


def _undo_of(instance: str) -> str:
    name, suffix = split(instance)
    return f"{name}:compensate{suffix}"


def _results(stage: Stage, whole: nested.Whole) -> Iterator[str]:
    own = [step["id"] for step in stage.play.definition["steps"]]
    expected = {name: whole.results[name] for name in own if name in whole.results}
    actual = {name: stage.state.context[name] for name in own if name in stage.state.context}
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name, "nothing") != actual.get(name, "nothing"):
            yield (
                f"{name} returned {actual.get(name, 'nothing')}, the model says {expected.get(name, 'nothing')}"
            )
