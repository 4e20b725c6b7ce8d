"""A workflow made by a program: one step for each line of an order, then one that adds them up.

python examples/dynamic.py
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import tenuto

ORDER = {
    "id": "A-17",
    "lines": [
        {"sku": "metronome", "quantity": 2, "price": 24.5},
        {"sku": "score", "quantity": 5, "price": 12.0},
        {"sku": "stand", "quantity": 1, "price": 39.9},
    ],
}


def workflow_for(order: dict[str, Any]) -> dict[str, Any]:
    """A definition is plain data, so any program can make one."""
    lines = [
        {
            "id": f"line-{line['sku']}",
            "action": "transform",
            "params": {"input": line, "code": "return input.quantity * input.price"},
        }
        for line in order["lines"]
    ]
    names = [line["id"] for line in lines]
    total = {
        "id": "total",
        "action": "transform",
        "params": {
            "input": [f"{{{{ context.{name} }}}}" for name in names],
            "code": "return input.reduce((sum, amount) => sum + amount, 0)",
        },
        "dependencies": names,
    }
    return {"id": f"order-{order['id']}", "name": f"Order {order['id']}", "steps": [*lines, total]}


async def main(database: str) -> dict[str, Any]:
    """Register the workflow of the order, run it, and return the document of its execution."""
    async with tenuto.Engine(database) as engine:
        registered = await engine.register_workflow(workflow_for(ORDER))
        return await engine.execute(registered.workflow_id)


if __name__ == "__main__":
    execution = asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "memory:"))
    print(execution["status"], execution["output"]["total"])
