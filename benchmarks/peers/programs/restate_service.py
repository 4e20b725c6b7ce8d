"""The service that Restate calls: its handlers make the same durable steps as the other engines' workflows. It is
served by granian or hypercorn in a process of its own.
"""

from __future__ import annotations

import restate
from restate import Context, Service

bench = Service("bench")


async def no_op() -> None:
    return None


@bench.handler()
async def chain(ctx: Context, steps: int) -> str:
    for index in range(steps):
        await ctx.run_typed(f"step-{index}", no_op)
    return "completed"


@bench.handler()
async def fan(ctx: Context, width: int) -> str:
    await ctx.run_typed("root", no_op)
    await restate.gather(*(ctx.run_typed(f"step-{index}", no_op) for index in range(width)))
    await ctx.run_typed("join", no_op)
    return "completed"


app = restate.app([bench])
