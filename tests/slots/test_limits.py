from __future__ import annotations

import pytest

from tenuto.errors import NotFound, StoreUnavailable
from tenuto.ports.limits import SharedLimit
from tenuto.ports.store import Batch
from tenuto.runtime.admission import Admission, StepTicket, Wanted
from tenuto.runtime.limits import Limits
from tenuto.stores.memory import MemoryStore


class Broken(MemoryStore):
    """A store that can be made to refuse writes."""

    refuses = False

    async def commit(self, batch: Batch) -> None:
        if self.refuses:
            raise StoreUnavailable("the disk is full")
        await super().commit(batch)


@pytest.fixture
async def store() -> Broken:
    store = Broken()
    await store.open()
    return store


async def opened(store: MemoryStore, told: list[str]) -> tuple[Limits, Admission]:
    admission = Admission(lambda execution_id, given: told.append(execution_id), lambda one, reason: None)
    limits = Limits(store, admission)
    await limits.open()
    return limits, admission


async def test_a_limit_set_by_hand_holds_at_once_and_after_a_restart(store: Broken) -> None:
    told: list[str] = []
    limits, admission = await opened(store, told)
    for name in "abc":
        admission.ask_step(StepTicket(name, 0, 0), [("k", 1)])
    await limits.put("k", 2)
    assert told == ["a", "b"]
    assert limits.list() == [SharedLimit("k", "steps", 2, 2, 2, 1)]
    later, _ = await opened(store, [])
    assert later.list() == [SharedLimit("k", None, 2, 2, 0, 0)]


async def test_a_limit_taken_away_gives_way_to_those_of_definitions(store: Broken) -> None:
    limits, admission = await opened(store, [])
    await limits.put("k", 0)
    admission.ask_execution("a", [Wanted("k", 3)])
    assert limits.list() == [SharedLimit("k", "executions", 0, 0, 0, 1)]
    await limits.remove("k")
    assert limits.list() == [SharedLimit("k", "executions", 3, None, 1, 0)]
    assert (await opened(store, []))[0].list() == []
    with pytest.raises(NotFound):
        await limits.remove("k")


async def test_a_limit_that_cannot_be_written_does_not_hold(store: Broken) -> None:
    limits, _ = await opened(store, [])
    store.refuses = True
    with pytest.raises(StoreUnavailable):
        await limits.put("k", 2)
    assert limits.list() == []


async def test_a_key_of_steps_and_executions_is_told_of_each(store: Broken) -> None:
    limits, admission = await opened(store, [])
    admission.ask_execution("a", [Wanted("k", 3)])
    admission.ask_step(StepTicket("a", 0, 0), [("k", 4)])
    await limits.put("j", 1)
    assert limits.list() == [
        SharedLimit("j", None, 1, 1, 0, 0),
        SharedLimit("k", "executions", 3, None, 1, 0),
        SharedLimit("k", "steps", 4, None, 1, 0),
    ]


async def test_executions_hold_after_a_restart_what_was_written_with_them(store: Broken) -> None:
    _, admission = await opened(store, [])
    admission.ask_execution("a", [Wanted("k", 1)])
    await store.commit(Batch([], [], [], [], admission.written("a")))
    told: list[str] = []
    limits, later = await opened(store, told)
    later.ask_execution("b", [Wanted("k", 1)])
    assert (told, limits.list()) == ([], [SharedLimit("k", "executions", 1, None, 1, 1)])
    await store.commit(Batch([], [], [], [], later.taken_away("a")))
    later.ended("a")
    assert told == ["b"]
    assert (await opened(store, []))[0].list() == []
