"""Tenuto inside your own asyncio program: no server, the same durability.

    python examples/embedded.py

End it in the middle and start it again with the same file: what had not ended goes on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import tenuto

WORKFLOW = {
    "id": "greeting",
    "steps": [
        {"id": "find-name", "action": "find-name", "params": {"user": "{{ context.user }}"}},
        {
            "id": "greet",
            "action": "transform",
            "params": {"inputKey": "find-name", "code": "return `Hello, ${input.name}!`"},
            "dependencies": ["find-name"],
        },
    ],
}


async def main(database: str) -> dict[str, Any]:
    """Run the workflow once and return the document of its execution."""
    engine = tenuto.Engine(database)

    @engine.executor("find-name")
    def find_name(params: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": str(params["user"]).title()}

    async with engine:
        await engine.register_workflow(WORKFLOW)
        return await engine.execute("greeting", {"user": "clara"})


if __name__ == "__main__":
    execution = asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///embedded.db"))
    print(execution["status"], execution["output"]["greet"])
