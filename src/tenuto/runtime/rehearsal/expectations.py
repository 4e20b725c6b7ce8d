"""Whether a rehearsal came to what was expected of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET, Struct

from tenuto.core.view import output
from tenuto.runtime.rehearsal.play import Play
from tenuto.runtime.rehearsal.record import Deed
from tenuto.wire.rehearsal import Case, Expectations


class Expectation(Struct, frozen=True):
    """One thing that was expected, and what is so."""

    what: str
    ok: bool
    expected: Any
    actual: Any


def check(case: Case, play: Play) -> list[Expectation]:
    """All that was expected, in the order of the case: also that every event came and was taken."""
    found = [] if case.expect is UNSET else list(_checked(case.expect, play))
    return [*found, *_events(case, play)]


def _checked(expect: Expectations, play: Play) -> Iterator[Expectation]:
    state, deeds = play.state, play.record
    if expect.status is not UNSET:
        yield _equal("status", expect.status, state.status)
    if expect.error is not UNSET:
        yield _equal("error", expect.error, None if state.error is None else state.error.type)
    for name, expected in expect.steps.items():
        deed = deeds.deed(name)
        yield _equal(f"steps.{name}", expected, deed.said if " " in expected else deed.status)
    for name, expected in expect.results.items():
        yield _result(name, expected, deeds.deed(name))
    if expect.output is not UNSET:
        yield _equal("output", expect.output, output(state) if state.status == "completed" else None)
    for first, then in expect.order:
        yield _order(first, then, deeds.deed(first), deeds.deed(then))
    for name, count in expect.calls.items():
        yield _equal(f"calls.{name}", count, sum(is_of(performed.step, name) for performed in play.performed))
    for name in expect.never:
        began = [instance for instance, deed in deeds.deeds.items() if deed.began and is_of(instance, name)]
        yield Expectation(f"never.{name}", not began, "never begins", ", ".join(began) or "never begins")
    if expect.duration is not UNSET:
        yield _equal("duration", expect.duration, play.duration)


def _result(name: str, expected: Any, deed: Deed) -> Expectation:
    if deed.is_forgotten:
        return Expectation(f"results.{name}", False, expected, "not kept: ask for the steps inside it")
    if deed.status != "success":
        return Expectation(f"results.{name}", False, expected, f"no result: {deed.said}")
    return _equal(f"results.{name}", expected, deed.result)


def _order(first: str, then: str, before: Deed, after: Deed) -> Expectation:
    what = f"{first} ends before {then} begins"
    if before.ended is None or after.began is None:
        missing = f"{first} never ends" if before.ended is None else f"{then} never begins"
        return Expectation(f"order.{first}", False, what, missing)
    is_so = before.ended < after.began
    return Expectation(f"order.{first}", is_so, what, what if is_so else f"{then} begins before {first} ends")


def _events(case: Case, play: Play) -> Iterator[Expectation]:
    why = {refused.number: refused.why for refused in play.refused}
    left = set(play.left())
    for number, event in enumerate(case.events):
        expected = "refused" if event.refused else "taken"
        if number in left:
            yield Expectation(f"events[{number}]", False, expected, "never came: nothing waited for it")
        elif (number in why) != event.refused:
            actual = f"refused: {why[number]}" if number in why else "taken"
            yield Expectation(f"events[{number}]", False, expected, actual)


def _equal(what: str, expected: Any, actual: Any) -> Expectation:
    return Expectation(what, same(expected, actual), expected, actual)


def is_of(instance: str, name: str) -> bool:
    """Whether the instance is the one of that name, or one of the items and rounds of the step."""
    return instance == name or instance.startswith(f"{name}[")


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: true is not 1, though 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
