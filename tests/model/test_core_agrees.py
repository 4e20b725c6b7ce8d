"""The core against the model, in random workflows and random interleavings, and against itself.

`TENUTO_EXAMPLES` sets how many examples each property takes.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Verbosity, given, note, settings
from hypothesis import strategies as st

from tenuto.core import events as ev
from tenuto.core import inputs as inp
from tenuto.core.state import TERMINAL_STEP
from tests.model import rules
from tests.model.attempts import attempts_made, delay_before
from tests.model.drive import Drive, contents, kind_of
from tests.model.generate import Case, Draws, Shape, cases, integers

EXAMPLES = int(os.environ.get("TENUTO_EXAMPLES", "80"))

campaign = settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    verbosity=Verbosity.normal,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
PLAIN = Shape(catches=25)
STOPPING = PLAIN._replace(stops=("drain", "cancel"))
ANY_STOP = PLAIN._replace(stops=("continue", "drain", "cancel"))
SMALL = ANY_STOP._replace(most_steps=12)


def drive_of(case: Case, data: st.DataObject) -> Drive:
    """An execution of the case whose timing hypothesis chooses."""
    note(f"definition: {case.definition}")
    return Drive(case, Draws(lambda low, high: data.draw(integers(low, high))))


def predicted(case: Case) -> rules.Prediction:
    return rules.predict(case.definition, case.oracle, case.conditions)


def assert_ended_as_predicted(drive: Drive, prediction: rules.Prediction) -> None:
    """Every step's status and why, and the execution's status."""
    for step_id, end in prediction.steps.items():
        step = drive.step(step_id)
        assert isinstance(end, rules.End)
        assert step.status == end.status, step_id
        assert step.reason in end.reasons if end.status == "skipped" else step.reason is None, step_id
        assert (step.error is not None) == (end.status == "failed"), step_id
    assert drive.state.status == prediction.execution


def assert_follows(drive: Drive, prediction: rules.Prediction) -> None:
    """What stands now is what follows from the outcomes so far: nothing started early, nothing left lying.
    A skip may come before the last edge is decided, if it is the skip that comes in the end."""
    ended = [node.id for node in drive.graph.nodes if drive.step(node.id).status in TERMINAL_STEP]
    skipped: dict[str, rules.End] = {}
    for step_id in ended:
        step, end = drive.step(step_id), prediction.steps[step_id]
        assert isinstance(end, rules.End)
        if step.status == "skipped":
            assert step.reason in end.reasons, step_id
            skipped[step_id] = end
    oracle = {step_id: outcome for step_id, outcome in drive.case.oracle.items() if step_id in ended}
    conditions = {step_id: truth for step_id, truth in drive.case.conditions.items() if step_id in ended}
    follows = rules.predict(drive.case.definition, oracle, conditions, given=skipped).steps
    for step_id, kind in drive.kinds().items():
        expected = rules.kind_of(follows[step_id]) if step_id in follows else "pending"
        assert kind == expected, step_id


@given(cases(PLAIN), st.data())
@campaign
def test_every_interleaving_ends_as_the_rules_say(case: Case, data: st.DataObject) -> None:
    prediction, drive = predicted(case), drive_of(case, data)
    drive.start()
    assert_follows(drive, prediction)
    while drive.can_advance:
        drive.advance()
        assert_follows(drive, prediction)
    assert_ended_as_predicted(drive, prediction)


@given(cases(PLAIN), st.data())
@campaign
def test_steps_make_the_attempts_that_their_policy_allows_when_it_says(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    for step_id in case.steps:
        step = drive.step(step_id)
        if step.status == "skipped":
            assert step.attempts == 0, step_id
        elif case.conditions.get(step_id) == "error":
            assert step.attempts == 1, step_id
        elif step_id not in case.cases:
            assert step.attempts == attempts_made(case.policy_of(step_id), case.scripts[step_id])[0], step_id
    for at, events in drive.entries:
        for event in events:
            if isinstance(event, ev.AttemptFailed):
                delay = delay_before(case.policy_of(event.step), event.attempt + 1)
                assert abs(event.retry_at - at - delay) <= 0.5, event


def fixed(*steps: dict[str, Any], **conditions: rules.Truth) -> Drive:
    """An execution of these steps, run to its end: attempts and cases succeed, conditions go as given."""
    case = Case(
        definition={"id": "fixed", "steps": list(steps)},
        scripts={step["id"]: ("ok",) for step in steps},
        waits=frozenset(),
        conditions=conditions,
        branches={step["id"]: True for step in steps if step.get("action") == "condition"},
        cases={step["id"]: (True,) * len(step["cases"]) for step in steps if "cases" in step},
    )
    drive = Drive(case, Draws(lambda low, high: low))
    drive.start()
    drive.finish()
    assert_ended_as_predicted(drive, predicted(case))
    return drive


def test_a_condition_that_is_an_error_is_not_tried_again_whatever_the_policy_says() -> None:
    policy = {"maxAttempts": 3, "retryOn": ["*"]}
    drive = fixed({"id": "a", "when": "input.when.a", "retryPolicy": policy}, a="error")
    assert drive.step("a").status == "failed"
    assert drive.step("a").attempts == 1


def test_a_dependency_on_a_decision_that_failed_is_not_live_even_if_that_is_let_pass() -> None:
    decision = {"id": "a", "action": "condition", "onSuccess": ["b"], "when": "x", "continueOnFailure": True}
    after = {"id": "c", "dependencies": ["a", "b"]}
    assert fixed(decision, {"id": "b"}, after, a="error").kinds()["c"] == "benign"


@given(cases(ANY_STOP), st.data())
@campaign
def test_each_attempt_has_one_outcome_and_each_step_one_end(case: Case, data: st.DataObject) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    started: Counter[tuple[str, int]] = Counter()
    outcomes: Counter[tuple[str, int]] = Counter()
    ends: Counter[str] = Counter()
    for event in drive.events:
        match event:
            case ev.StepStarted():
                started[event.step, event.attempt] += 1
            case ev.AttemptFailed() | ev.StepSucceeded() | ev.StepFailed():
                outcomes[event.step, event.attempt] += 1
        if isinstance(event, ev.StepSucceeded | ev.StepFailed | ev.StepSkipped | ev.StepCancelled):
            ends[event.step] += 1
    assert set(started.values()) <= {1}
    assert set(outcomes.values()) <= {1}
    assert outcomes.keys() <= started.keys()
    assert ends == Counter(list(case.steps))


def fails_it(case: Case, step_id: str, error: str) -> bool:
    """Whether the execution fails for this failure."""
    return rules.fails_what_it_is_in(case.steps[step_id], rules.End("failed", error=error))


@given(cases(ANY_STOP), st.data())
@campaign
def test_an_execution_ends_once_and_names_the_critical_step_that_failed_first(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    *before, last = drive.events
    assert not any(isinstance(event, ev.ExecutionCompleted | ev.ExecutionFailed) for event in before)
    failures = [event for event in before if isinstance(event, ev.StepFailed)]
    first = next((event for event in failures if fails_it(case, event.step, event.error.type)), None)
    if first is None:
        assert isinstance(last, ev.ExecutionCompleted)
        assert drive.state.output == case.definition.get("output")
    else:
        assert last == ev.ExecutionFailed(error=first.error, step=first.step)


@given(cases(ANY_STOP), st.data())
@campaign
def test_a_step_skipped_for_a_failure_names_the_step_that_failed(case: Case, data: st.DataObject) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    for step_id in case.steps:
        step = drive.step(step_id)
        if step.reason == "upstream_failed":
            assert step.cause is not None
            assert drive.step(step.cause).status == "failed", step_id


@given(cases(ANY_STOP), st.data())
@campaign
def test_the_context_is_the_start_context_and_the_results_of_the_steps_that_succeeded(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    assert_context_holds_what_succeeded(drive)


def assert_context_holds_what_succeeded(drive: Drive) -> None:
    done = [node.id for node in drive.graph.nodes if drive.step(node.id).status == "success"]
    assert drive.state.context == drive.case.context | {id_: drive.step(id_).result for id_ in done}


@given(cases(ANY_STOP), st.data())
@campaign
def test_folding_the_journal_gives_the_state_at_every_moment(case: Case, data: st.DataObject) -> None:
    drive = drive_of(case, data)
    drive.start()
    while drive.can_advance:
        assert contents(drive.fold()) == contents(drive.state)
        drive.advance()
    assert contents(drive.fold()) == contents(drive.state)


@given(cases(PLAIN), st.data())
@campaign
def test_an_execution_that_crashes_and_is_folded_again_ends_as_the_rules_say(
    case: Case, data: st.DataObject
) -> None:
    prediction, drive = predicted(case), drive_of(case, data)
    drive.start()
    while drive.can_advance:
        if drive.draws.chance(20):
            drive.crash()
            assert_follows(drive, prediction)
        else:
            drive.advance()
    assert_ended_as_predicted(drive, prediction)
    for step_id in case.steps:
        if drive.step(step_id).status == "success" and step_id not in case.cases:
            made, _ = attempts_made(case.policy_of(step_id), case.scripts[step_id])
            assert drive.step(step_id).attempts == made + drive.lost[step_id], step_id


@given(cases(STOPPING), st.data())
@campaign
def test_an_execution_that_crashes_while_it_stops_ends_within_what_is_possible(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    while drive.can_advance:
        if drive.draws.chance(20):
            drive.crash()
        else:
            drive.advance()
    assert_ended_as_possible(drive)


@given(cases(PLAIN), st.data())
@campaign
def test_a_node_that_is_stopping_keeps_outcomes_and_starts_nothing(case: Case, data: st.DataObject) -> None:
    drive = drive_of(case, data)
    drive.start()
    while drive.can_advance:
        if not drive.running:
            drive.advance()
            continue
        ended = drive.end_some()
        decision = drive.decide(ended, hold=True)
        assert decision.commands == []
        assert not any(isinstance(event, ev.StepStarted) for event in decision.events)
        assert len(decision.events) == len(ended)
        drive.crash()
    assert_ended_as_predicted(drive, predicted(case))


@given(cases(ANY_STOP), st.data())
@campaign
def test_late_and_doubled_outcomes_change_nothing(case: Case, data: st.DataObject) -> None:
    drive = drive_of(case, data)
    drive.start()
    while drive.can_advance:
        drive.advance()
        before = contents(drive.state)
        late = drive.draws.some(drive.sent, 3)
        stranger = inp.AttemptEnded(0, 99, 0, inp.Succeeded("from nowhere"))
        decision = drive.decide([*late, stranger, *late])
        assert decision.events == []
        assert decision.commands == []
        assert decision.messages == []
        assert [refusal.given for refusal in decision.refused] == [*late, stranger, *late]
        assert contents(drive.state) == before


@given(cases(SMALL), st.data())
@campaign
def test_what_is_asked_of_an_execution_that_has_ended_changes_nothing(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    drive.now += drive.draws.pick((0, 1_000_000))
    before = contents(drive.state)
    late: list[inp.Input] = [inp.Cancel(), inp.Terminate(), inp.Pause(), inp.Resume()]
    if drive.state.status == "completed":
        late.append(inp.Retry())
    decision = drive.decide([*late, inp.TimeCame()])
    assert (decision.events, decision.commands, decision.messages) == ([], [], [])
    assert [refusal.given for refusal in decision.refused] == late
    assert contents(drive.state) == before


@given(cases(PLAIN), st.data())
@campaign
def test_an_outcome_doubled_within_one_decision_counts_once(case: Case, data: st.DataObject) -> None:
    prediction, drive = predicted(case), drive_of(case, data)
    drive.start()
    while drive.can_advance:
        if drive.running:
            ended = drive.end_some()
            decision = drive.decide([*ended, *ended])
            assert [refusal.given for refusal in decision.refused] == ended
        else:
            drive.advance()
    assert_ended_as_predicted(drive, prediction)


@given(cases(STOPPING), st.data())
@campaign
def test_an_execution_that_stops_at_a_critical_failure_ends_within_what_is_possible(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    assert_ended_as_possible(drive)


def assert_ended_as_possible(drive: Drive) -> None:
    case = drive.case
    possible = rules.possible_ends(case.definition, case.oracle, case.conditions)
    for step_id, kind in drive.kinds().items():
        assert kind in possible[step_id], step_id
    assert drive.state.status == predicted(case).execution


@given(cases(STOPPING), st.data())
@campaign
def test_nothing_starts_after_a_critical_failure_but_further_attempts_under_drain(
    case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    stops = (i for i, event in enumerate(drive.events) if isinstance(event, ev.CancelRequested))
    at = next(stops, len(drive.events))
    assert next(stops, None) is None
    after = [event for event in drive.events[at:] if isinstance(event, ev.StepStarted)]
    if case.definition["onCriticalFailure"] == "cancel":
        assert after == []
    begun = {event.step for event in drive.events[:at] if isinstance(event, ev.StepStarted)}
    assert {event.step for event in after} <= begun
    assert not {step_id for step_id, kind in drive.kinds().items() if kind == "run_cancelled"} & begun
    assert {step_id for step_id, kind in drive.kinds().items() if kind == "cancelled"} <= begun


@pytest.mark.parametrize("verb", [inp.Cancel(), inp.Terminate()], ids=["cancel", "terminate"])
@given(case=cases(SMALL), data=st.data())
@campaign
def test_giving_up_keeps_what_had_ended_and_cancels_the_rest(
    verb: inp.Cancel | inp.Terminate, case: Case, data: st.DataObject
) -> None:
    drive = drive_of(case, data)
    drive.start()
    while drive.can_advance and drive.draws.chance(70):
        drive.advance()
    if drive.state.is_terminal or drive.state.cancel is not None:
        return
    before = drive.kinds()
    drive.decide([verb])
    given_up = {"pending": "run_cancelled", "running": "cancelled"}
    assert drive.kinds() == {step_id: given_up.get(kind, kind) for step_id, kind in before.items()}
    assert drive.state.status == "cancelled"
    assert drive.running == []
    assert not drive.can_advance
    assert drive.decide([inp.OutputComputed(value="too late")]).events == []


@given(cases(PLAIN), st.data())
@campaign
def test_nothing_starts_while_paused_and_a_pause_changes_no_end(case: Case, data: st.DataObject) -> None:
    prediction, drive = predicted(case), drive_of(case, data)
    drive.start()
    while drive.can_advance:
        if drive.draws.chance(30) and not drive.output_wanted:
            drive.decide([inp.Pause()])
            while drive.running and drive.draws.chance(80):
                started = drive.decide(drive.end_some()).commands
                assert started == []
            drive.now += drive.draws.pick((0, 50_000))
            assert drive.decide([inp.TimeCame()]).events == []
            drive.decide([inp.Resume()])
        else:
            drive.advance()
        assert_follows(drive, prediction)
    assert_ended_as_predicted(drive, prediction)


@given(cases(ANY_STOP), st.data())
@campaign
def test_retry_does_the_failed_part_again_and_keeps_the_rest(case: Case, data: st.DataObject) -> None:
    drive = drive_of(case, data)
    drive.start()
    drive.finish()
    if isinstance(drive.events[-1], ev.ExecutionCompleted):
        return
    kinds, results = drive.kinds(), dict(drive.state.context)
    caught = {
        node.id: "caught"
        for node in drive.graph.nodes
        if (error := drive.step(node.id).error) is not None
        and kinds[node.id] == "failed"
        and not fails_it(case, node.id, error.type)
    }
    again = rules.redone_by_retry(case.definition, kinds | caught)
    kept = {step_id: end for step_id, end in predicted(case).steps.items() if step_id not in again}
    drive.case = mend(case, drive.draws)
    drive.decide([inp.Retry()])
    assert_context_holds_what_succeeded(drive)
    assert drive.decide(list(drive.sent)).events == []
    drive.finish()
    assert_context_holds_what_succeeded(drive)
    prediction = rules.predict(
        case.definition,
        drive.case.oracle,
        case.conditions,
        given={step_id: end for step_id, end in kept.items() if isinstance(end, rules.End)},
    )
    retried = [event for event in drive.events if isinstance(event, ev.ExecutionRetried)]
    assert [set(event.steps) for event in retried] == [set(again)]
    for step_id in case.steps:
        assert drive.step(step_id).generation == (step_id in again), step_id
        if step_id in kept:
            assert kind_of(drive.step(step_id)) == kinds[step_id]
            assert drive.state.context.get(step_id) == results.get(step_id)
    assert drive.state.status == prediction.execution
    stops_early = case.definition.get("onCriticalFailure", "continue") != "continue"
    if prediction.execution == "completed" or not stops_early:
        assert_ended_as_predicted(drive, prediction)
    assert contents(drive.fold()) == contents(drive.state)


def mend(case: Case, draws: Draws) -> Case:
    """The case with some of its steps doing better, as after somebody put right what was wrong."""
    return replace(
        case,
        scripts={
            step_id: ("ok",) if draws.chance(60) else script for step_id, script in case.scripts.items()
        },
    )


@given(cases(ANY_STOP), st.data())
@campaign
def test_receivers_hear_of_each_step_that_ran_to_its_end_and_once_of_the_execution(
    case: Case, data: st.DataObject
) -> None:
    kinds = ("onComplete", "onFailure", "onStep", "onCancel")
    receivers = {"webhooks": {kind: f"http://receiver.example/{kind}" for kind in kinds}}
    drive = drive_of(replace(case, definition=case.definition | receivers), data)
    drive.start()
    drive.finish()
    told = [message.kind for message in drive.messages]
    ran = [event for event in drive.events if isinstance(event, ev.StepSucceeded | ev.StepFailed)]
    last = "onComplete" if isinstance(drive.events[-1], ev.ExecutionCompleted) else "onFailure"
    assert told == ["onStep"] * len(ran) + [last]
    assert [message.body["stepId"] for message in drive.messages[:-1]] == [event.step for event in ran]
