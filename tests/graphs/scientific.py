"""Scientific workflows, as wfcommons generates them from recipes learned of real ones (Montage, Epigenomics, BLAST …),
and an engine that runs them while it is watched that no task starts before its parents' results are there."""

from __future__ import annotations

import asyncio
import importlib
import random
import time
import warnings
from typing import Any, NamedTuple

import tenuto

RECIPES = (
    "Blast", "Bwa", "Cycles", "Epigenomics", "Genome", "Montage", "Rnaseq", "Seismology", "Soykb", "Srasearch",
)  # fmt: skip


class Graph(NamedTuple):
    """One generated workflow: its definition, and each task's parents."""

    definition: dict[str, Any]
    parents: dict[str, list[str]]

    @property
    def edges(self) -> int:
        """How many dependencies there are in all."""
        return sum(len(parents) for parents in self.parents.values())


class Figures(NamedTuple):
    """How long one workflow took, in seconds."""

    register_s: float
    run_s: float


def generate(recipe: str, tasks: int, seed: int = 1) -> Graph:
    """A workflow of about so many tasks; the same for the same seed. Every task becomes a step of action `task`."""
    wfcommons, recipes, numpy_random = _generator()
    random.seed(seed)
    numpy_random.seed(seed)
    made = wfcommons.WorkflowGenerator(
        getattr(recipes, f"{recipe}Recipe").from_num_tasks(tasks)
    ).build_workflow()
    parents: dict[str, list[str]] = {name: [] for name in made.nodes}
    for source, target in made.edges:
        parents[target].append(source)
    steps = [{"id": name, "action": "task", "dependencies": names} for name, names in parents.items()]
    return Graph({"id": recipe.lower(), "name": f"{recipe}, {len(steps)} tasks", "steps": steps}, parents)


def _generator() -> tuple[Any, Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its own dependencies will have to change one day
        names = ("wfcommons", "wfcommons.wfchef.recipes", "numpy.random")
        wfcommons, recipes, numpy_random = (importlib.import_module(name) for name in names)
    return wfcommons, recipes, numpy_random


class Disorder(AssertionError):
    """A task started before what it depends on was there."""


class Watch:
    """The executor of all tasks: sees when each starts and returns, and what it finds of its parents' results."""

    def __init__(self, graph: Graph) -> None:
        self._parents = graph.parents
        self.started: set[str] = set()
        self.returned: set[str] = set()

    async def perform(self, params: dict[str, Any], context: tenuto.ExecutorContext) -> Any:
        """One task: its result names it."""
        task = context.step_id
        if task in self.started:
            raise Disorder(f"{task} was started twice")
        self.started.add(task)
        for parent in self._parents[task]:
            if parent not in self.returned or context.get(parent) != {"task": parent}:
                raise Disorder(f"{task} was started before {parent} had returned")
        for _ in range(len(task) % 3):
            await asyncio.sleep(0)  # so that tasks do not return in the order they started
        self.returned.add(task)
        return {"task": task}


async def run(graph: Graph, database: str) -> Figures:
    """Register and execute the workflow, and hold the journal against the graph. Raises Disorder."""
    watch = Watch(graph)
    engine = tenuto.Engine(database)
    engine.register_executor("task", watch.perform)
    async with engine:
        began = time.perf_counter()
        await engine.register_workflow(graph.definition)
        registered = time.perf_counter()
        shown = await engine.execute(graph.definition["id"])
        ended = time.perf_counter()
        if shown["status"] != "completed":
            raise Disorder(f"{shown['status']}: {shown.get('error')}")
        if watch.returned != graph.parents.keys():
            raise Disorder(f"{len(graph.parents) - len(watch.returned)} tasks were never performed")
        await check_journal(engine, shown["executionId"], graph)
    return Figures(registered - began, ended - registered)


async def check_journal(engine: tenuto.Engine, execution_id: str, graph: Graph) -> None:
    """On disk, too, every start stands behind the results it depends on, and every task succeeded once."""
    succeeded: set[str] = set()
    async for entry in engine.node.follow(execution_id):
        for event in entry.events:
            step = str(event.get("step"))
            if event["type"] == "step.started" and not succeeded.issuperset(graph.parents[step]):
                raise Disorder(f"the start of {step} stands before a result it depends on")
            if event["type"] == "step.succeeded":
                if step in succeeded:
                    raise Disorder(f"{step} succeeded twice")
                succeeded.add(step)
    if succeeded != graph.parents.keys():
        raise Disorder("the journal misses tasks")
