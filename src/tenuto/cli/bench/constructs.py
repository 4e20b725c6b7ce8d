"""The measurements of what workflows are built from: maps, nested steps, children and concurrency keys."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from tenuto.cli.bench.client import drive
from tenuto.cli.bench.figures import Figure, Goal, growth
from tenuto.cli.bench.footprint import footprint_of
from tenuto.cli.bench.measures import AT_ONCE, LONGEST_WAIT_S, Bench, Measure, Sample, Spec
from tenuto.cli.bench.server import serving
from tenuto.cli.bench.workloads import COMPLETED, SLOTS, chain, children, mapped, nesting, sharing

ITEMS = (1_000, 10_000, 100_000)
BODIES = {"map": "one action an item", "mapNested": "one nested step an item"}
SHARERS = 1_000


async def take_map(bench: Bench) -> Sample:
    """Maps of growing size, on a server of their own: large ones leave their mark on its memory. Sizes are left out that
    this disk would take too long for."""
    sample: dict[str, float] = {}
    async with serving(bench.fresh_folder()) as server:
        subject = bench.on(server)
        for body in BODIES:
            per_item_s = 0.0
            for items in ITEMS:
                if items > bench.pace.items or per_item_s * items > LONGEST_WAIT_S:
                    break
                most = max(1, 20_000 // items)
                work = mapped(items, nested=body == "mapNested")
                load = await subject.alone(work, LONGEST_WAIT_S, most=most, warm_up=items < 10_000)
                seconds = median(load.latencies_ms) / 1000
                per_item_s = seconds / items
                sample[f"{body}{items}"] = seconds
                sample[f"{body}Item{items}"] = per_item_s * 1e6
        taken = footprint_of(server.pid)
    if taken is not None:
        sample["mapMemory"] = taken.memory_mb
    return sample


def derive_map(costs: Mapping[str, float]) -> list[Figure]:
    return [
        Figure(
            key=f"{body}Growth",
            title=f"map, {how}: an item against one of a smaller map, at worst",
            unit="×",
            samples=[growth([costs[key] for items in ITEMS if (key := f"{body}Item{items}") in costs])],
            goal=Goal(1.3),
        )
        for body, how in BODIES.items()
    ]


def _map_specs() -> list[Spec]:
    specs = []
    for body, how in BODIES.items():
        for items in ITEMS:
            goal = Goal(3) if items == 10_000 else None
            specs.append(Spec(f"{body}{items}", f"map of {items:,} items, {how}", "s", goal))
            specs.append(Spec(f"{body}Item{items}", "  time per item", "µs"))
    return specs


async def take_nested(bench: Bench) -> Sample:
    return {"nested": median((await bench.alone(nesting(), bench.pace.alone_s)).latencies_ms)}


async def take_children(bench: Bench) -> Sample:
    child = chain(1)
    await bench.start_request(child)
    return {"children": median((await bench.alone(children(10, child), bench.pace.alone_s)).latencies_ms)}


async def take_keys(bench: Bench) -> Sample:
    """Attempts per second through one key: of one execution with very many steps, and of many executions."""
    load = await bench.alone(sharing(SHARERS), LONGEST_WAIT_S, most=3)
    many = await drive(
        bench.server.address,
        await bench.start_request(sharing(1)),
        marker=COMPLETED,
        at_once=AT_ONCE,
        seconds=LONGEST_WAIT_S,
        most=SHARERS,
    )
    return {
        "keySteps": SHARERS / (median(load.latencies_ms) / 1000),
        "keyExecutions": many.per_second,
    }


CONSTRUCTS = (
    Measure(
        "map",
        (
            *_map_specs(),
            Spec("mapMemory", "  memory of the server after all these (PSS)", "MB"),
        ),
        take_map,
        derive_map,
        at_most=3,
    ),
    Measure(
        "nested",
        (Spec("nested", "100 steps, 50 of them nested in a parallel, alone, p50", "ms"),),
        take_nested,
    ),
    Measure(
        "children",
        (Spec("children", "chain of 10 children alone, p50", "ms"),),
        take_children,
    ),
    Measure(
        "keys",
        (
            Spec(
                "keySteps",
                f"{SHARERS:,} steps of one execution, one key with {SLOTS} slots",
                "attempts/s",
            ),
            Spec(
                "keyExecutions",
                f"{SHARERS:,} executions, {AT_ONCE} at once, one key with {SLOTS} slots",
                "attempts/s",
            ),
        ),
        take_keys,
    ),
)
