"""Steps of your own: an engine with executors and a workflow on it, for `tenuto serve` to serve.

cd examples
tenuto serve --app custom_executor:engine
tenuto start price-quote --context '{"item": "metronome", "quantity": 3}' --watch
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import tenuto

PRICES = {"metronome": 24.5, "score": 12.0}

engine = tenuto.Engine()


@engine.executor("find-price")
async def find_price(params: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """An executor gets the step's params and the execution's context; what it returns is the step's result."""
    await asyncio.sleep(0)  # stands for a question to your database
    return {"price": PRICES[params["item"]]}


def quote(params: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """A plain function works too; it runs in a thread, so it may block. An exception fails the attempt."""
    return {"total": round(params["price"] * params["quantity"], 2)}


engine.register_executor("quote", quote)

engine.register_workflow(
    {
        "id": "price-quote",
        "name": "Price Quote",
        "steps": [
            {"id": "find-price", "action": "find-price", "params": {"item": "{{ context.item }}"}},
            {
                "id": "quote",
                "action": "quote",
                "params": {"price": "{{ context.find-price.price }}", "quantity": "{{ context.quantity }}"},
                "dependencies": ["find-price"],
            },
        ],
    }
)
