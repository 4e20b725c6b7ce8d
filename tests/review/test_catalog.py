"""The newest version is the newest, and no workflow's size or number is felt by others."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, TypeVar

from tenuto.core.graph import Node
from tenuto.ports.action import Action
from tenuto.ports.store import WorkflowVersion
from tenuto.runtime import catalog
from tenuto.runtime.catalog import Catalog
from tenuto.runtime.clock import SystemClock
from tenuto.scripting.fake import FakeScriptEngine
from tenuto.stores.memory import MemoryStore


class SlowStore(MemoryStore):
    """A store whose next reading of a workflow is answered only when told."""

    def __init__(self) -> None:
        super().__init__()
        self.is_slow = False
        self.was_read = asyncio.Event()
        self.answers = asyncio.Event()

    async def find_workflow(self, workflow_id: str, version: int | None = None) -> WorkflowVersion | None:
        found = await super().find_workflow(workflow_id, version)
        if self.is_slow:
            self.is_slow = False
            self.was_read.set()
            await self.answers.wait()
        return found


class Finder:
    """Says that nothing serves any action, and in which threads it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.threads: set[int] = set()
        self.begun = threading.Event()

    def __call__(self, step: Node) -> Action | None:
        self.begun.set()
        self.calls += 1
        self.threads.add(threading.get_ident())
        return None


def make(store: MemoryStore, finder: Finder | None = None) -> Catalog:
    return Catalog(store, SystemClock(), FakeScriptEngine(), finder or Finder(), list)


S = TypeVar("S", bound=MemoryStore)


async def opened(store: S) -> S:
    await store.open()
    return store


def definition(name: str = "", steps: int = 1, workflow_id: str = "w") -> dict[str, Any]:
    return {"id": workflow_id, "name": name, "steps": [{"id": f"s{n}"} for n in range(steps)]}


async def test_a_version_registered_while_an_older_one_is_read_is_the_newest() -> None:
    store = await opened(SlowStore())
    await make(store).register(definition("one"))
    fresh = make(store)
    store.is_slow = True
    reading = asyncio.create_task(fresh.get("w"))
    await store.was_read.wait()
    await fresh.register(definition("two"))
    store.answers.set()
    await reading
    assert (await fresh.get("w")).graph.version == 2


async def test_a_workflow_archived_while_it_is_read_is_not_at_hand() -> None:
    store = await opened(SlowStore())
    await make(store).register(definition())
    fresh = make(store)
    store.is_slow = True
    reading = asyncio.create_task(fresh.get("w"))
    await store.was_read.wait()
    await fresh.archive("w")
    store.answers.set()
    await reading
    assert fresh.find_at_hand("w", None) is None


async def test_a_large_workflow_is_compiled_once_and_not_on_the_event_loop() -> None:
    store, finder = await opened(MemoryStore()), Finder()
    steps = 10_000
    there = make(store, finder)
    await there.register(definition(steps=steps))
    found = await asyncio.gather(*(there.get("w") for _ in range(5)))
    assert all(workflow is found[0] for workflow in found)
    assert finder.calls == steps
    assert threading.get_ident() not in finder.threads


async def test_the_workflow_used_last_stays_in_memory(monkeypatch: Any) -> None:
    monkeypatch.setattr(catalog, "REMEMBERED", 2)
    there = make(await opened(MemoryStore()))
    for name in ("a", "b", "c"):
        await there.register(definition(workflow_id=name))
        await there.get(name)
        await there.get("a")
    assert there.find_at_hand("a", 1) is not None
    assert there.find_at_hand("b", 1) is None


async def test_actions_registered_while_a_workflow_is_compiled_count() -> None:
    store, finder = await opened(MemoryStore()), Finder()
    there = make(store, finder)
    await there.register(definition(steps=10_000))
    compiling = asyncio.create_task(there.get("w"))
    await asyncio.to_thread(finder.begun.wait)
    there.forget_compiled()
    first = await compiling
    assert await there.get("w") is not first
