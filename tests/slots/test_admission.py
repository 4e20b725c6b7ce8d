from __future__ import annotations

import pytest

from tenuto.core.inputs import ExecutionGranted, SlotsGranted
from tenuto.errors import ScriptFailed
from tenuto.runtime.admission import Admission, StepTicket, Wanted, read_key


class Desk:
    """An admission, what it granted and whom it had cancelled."""

    def __init__(self) -> None:
        self.granted: list[tuple[str, SlotsGranted | ExecutionGranted]] = []
        self.cancelled: dict[str, str] = {}
        self.admission = Admission(
            lambda execution_id, given: self.granted.append((execution_id, given)), self.cancelled.__setitem__
        )

    def take(self) -> list[str]:
        """The executions granted since the last time, steps by their slots, refused ones with a mark."""
        told = []
        for execution_id, given in self.granted:
            if isinstance(given, SlotsGranted):
                told.append(f"{execution_id}/{given.step}")
            else:
                told.append(f"not {execution_id}" if given.refused else execution_id)
        self.granted.clear()
        return told


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_step_is_told_at_once_or_when_another_attempt_has_ended(desk: Desk) -> None:
    first, second = StepTicket("e", 0, 0), StepTicket("f", 3, 1)
    desk.admission.ask_step(first, [("k", 1)])
    desk.admission.ask_step(second, [("k", 1)])
    assert desk.take() == ["e/0"]
    desk.admission.ended(first)
    assert desk.granted == [("f", SlotsGranted(3, 1))]


def test_asking_again_is_harmless(desk: Desk) -> None:
    holder, waiter = StepTicket("e", 0, 0), StepTicket("e", 1, 0)
    for _ in range(2):
        desk.admission.ask_step(holder, [("k", 1)])
        desk.admission.ask_step(waiter, [("k", 1)])
        desk.admission.ask_execution("e", [Wanted("k", 1)])
        desk.admission.ask_execution("f", [Wanted("k", 1)])
    assert desk.take() == ["e/0", "e", "e/0", "e"]


def test_the_end_of_an_execution_frees_its_slots_and_those_of_its_steps(desk: Desk) -> None:
    desk.admission.ask_execution("e", [Wanted("k", 1)])
    desk.admission.ask_step(StepTicket("e", 0, 0), [("k", 1)])
    desk.admission.ask_step(StepTicket("e", 1, 0), [("k", 1)])
    desk.admission.ask_execution("f", [Wanted("k", 1)])
    desk.admission.ask_step(StepTicket("f", 0, 0), [("k", 1)])
    desk.take()
    desk.admission.ended("e")
    assert sorted(desk.take()) == ["f", "f/0"]
    desk.admission.ended("f")
    assert list(desk.admission.uses()) == []


def test_an_execution_never_waits_for_the_key_that_it_holds_itself(desk: Desk) -> None:
    desk.admission.ask_execution("e", [Wanted("k", 1)])
    desk.admission.ask_step(StepTicket("e", 0, 0), [("k", 1)])
    assert desk.take() == ["e", "e/0"]


def test_an_execution_waits_until_one_of_those_before_it_has_ended(desk: Desk) -> None:
    for name in "abc":
        desk.admission.ask_execution(name, [Wanted("k", 2)])
    assert desk.take() == ["a", "b"]
    desk.admission.ended("b")
    assert desk.take() == ["c"]


def test_an_execution_that_waits_can_go_away(desk: Desk) -> None:
    for name in "abc":
        desk.admission.ask_execution(name, [Wanted("k", 1)])
    desk.admission.ended("b")
    desk.admission.ended("a")
    assert desk.take() == ["a", "c"]


def test_one_too_many_is_refused_where_it_is_to_be_skipped(desk: Desk) -> None:
    for name in "ab":
        desk.admission.ask_execution(name, [Wanted("k", 1, "skip")])
    [_, (name, given)] = desk.granted
    assert isinstance(given, ExecutionGranted)
    assert (name, given.refused) == (
        "b",
        "as many executions as may hold 'k' at once (1) were there already",
    )
    desk.admission.ended("b")
    desk.admission.ended("a")
    desk.take()
    desk.admission.ask_execution("c", [Wanted("k", 1, "skip")])
    assert desk.take() == ["c"]


def test_one_that_waits_for_another_key_holds_nothing_and_counts_for_those_who_skip(desk: Desk) -> None:
    desk.admission.ask_execution("a", [Wanted("x", 1)])
    desk.admission.ask_execution("b", [Wanted("x", 1), Wanted("y", 1)])
    desk.admission.ask_execution("c", [Wanted("y", 1, "skip")])
    assert desk.take() == ["a", "not c"]


def test_the_oldest_is_cancelled_in_favour_of_a_newer_one_and_only_once(desk: Desk) -> None:
    for number, name in enumerate("ab"):
        desk.admission.ask_execution(name, [Wanted("k", 2, "cancelOlder")], since_ms=number)
    desk.admission.ask_execution("c", [Wanted("k", 2, "cancelOlder")], since_ms=2)
    assert list(desk.cancelled) == ["a"]
    desk.admission.ask_execution("d", [Wanted("k", 2, "cancelOlder")], since_ms=3)
    assert desk.cancelled == {
        "a": "the newer execution c takes its slot of 'k'",
        "b": "the newer execution d takes its slot of 'k'",
    }
    assert desk.take() == ["a", "b"]
    desk.admission.ended("b")
    assert desk.take() == ["c"]


def test_one_that_still_waits_is_cancelled_too_if_a_newer_one_comes(desk: Desk) -> None:
    for number, name in enumerate("abc"):
        desk.admission.ask_execution(name, [Wanted("k", 1, "cancelOlder")], since_ms=number)
    assert list(desk.cancelled) == ["a", "b"]
    desk.admission.ended("b")
    desk.admission.ended("a")
    assert desk.take() == ["a", "c"]


def test_a_closed_key_has_nobody_cancelled(desk: Desk) -> None:
    desk.admission.ask_execution("a", [Wanted("k", 1, "cancelOlder")])
    desk.admission.set_limit("k", 0)
    desk.admission.ask_execution("b", [Wanted("k", 1, "cancelOlder")])
    assert desk.cancelled == {}


def test_executions_keep_what_they_hold_over_a_restart(desk: Desk) -> None:
    desk.admission.ask_execution("a", [Wanted("k", 2), Wanted("l", 9), Wanted("k", 1)], since_ms=7)
    desk.admission.ask_execution("b", [Wanted("k", 1)], since_ms=8)
    assert desk.admission.written("b") == []
    items = desk.admission.written("a")
    assert sorted((item.kind, item.name) for item in items) == [("slot", "k\0a"), ("slot", "l\0a")]
    after = Desk()
    after.admission.restore(items)
    assert after.admission.written("a") == items
    after.admission.ask_execution("b", [Wanted("k", 1)], since_ms=8)
    assert after.take() == []
    gone = after.admission.taken_away("a")
    assert {item.name for item in gone} == {item.name for item in items}
    assert all(item.data is None for item in gone)
    after.admission.ended("a")
    assert after.take() == ["b"]


def test_a_limit_set_by_hand_holds_for_steps_and_executions_and_lets_those_who_wait_go_on(desk: Desk) -> None:
    for name in "ab":
        desk.admission.ask_execution(name, [Wanted("k", 1)])
        desk.admission.ask_step(StepTicket(name, 0, 0), [("k", 1)])
    desk.take()
    desk.admission.set_limit("k", 5)
    assert sorted(desk.take()) == ["b", "b/0"]
    told = {(shared.of, *shared.use) for shared in desk.admission.uses()}
    assert told == {("steps", "k", 5, 5, 2, 0), ("executions", "k", 5, 5, 2, 0)}


def test_a_grant_may_lead_to_further_calls_at_once() -> None:
    told: list[str] = []

    def grant(execution_id: str, given: object) -> None:
        told.append(execution_id)
        admission.ended(execution_id)

    admission = Admission(grant, lambda execution_id, reason: None)
    admission.ask_execution("a", [Wanted("k", 1)])
    admission.ask_execution("b", [Wanted("k", 1)])
    assert told == ["a", "b"]


@pytest.mark.parametrize(("value", "key"), [("a b", "a b"), (7, "7"), (True, "true"), (1.5, "1.5")])
def test_keys_are_text_or_what_reads_as_text(value: object, key: str) -> None:
    assert read_key(value) == key


@pytest.mark.parametrize("value", ["", "x" * 513, "a\0b", "a\nb", None, [], {"a": 1}])
def test_nothing_else_is_a_key(value: object) -> None:
    with pytest.raises(ScriptFailed, match="concurrency key"):
        read_key(value)
