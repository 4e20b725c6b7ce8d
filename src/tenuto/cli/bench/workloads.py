"""The shapes of work that are measured: no-op steps in a chain or a fan, so that what is timed is Tenuto alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tenuto.cli.bench.client import Address, request_bytes

COMPLETED = b'"status":"completed"'
START_PATH = "/executions/start?wait=30000"


class Workload(NamedTuple):
    """A workflow definition and how many steps one execution of it takes."""

    definition: dict[str, Any]
    steps: int

    @property
    def workflow_id(self) -> str:
        return str(self.definition["id"])

    def register_request(self, address: Address) -> bytes:
        return request_bytes("POST", "/workflows", address, msgspec.json.encode(self.definition))

    def start_request(self, address: Address) -> bytes:
        """Start an execution; the answer is its document when it has ended."""
        body = msgspec.json.encode({"workflowId": self.workflow_id, "context": {"orderId": "order-123"}})
        return request_bytes("POST", START_PATH, address, body)


def chain(steps: int) -> Workload:
    """Steps one after the other."""
    listed = [
        {"id": f"s{number}", "dependencies": [f"s{number - 1}"] if number else []} for number in range(steps)
    ]
    return Workload({"id": f"bench-chain-{steps}", "steps": listed}, steps)


def fan(width: int) -> Workload:
    """A first step, `width` steps that need only it, and a last one that needs all of those."""
    middle = [f"s{number}" for number in range(width)]
    listed = [
        {"id": "root"},
        *({"id": name, "dependencies": ["root"]} for name in middle),
        {"id": "join", "dependencies": middle},
    ]
    return Workload({"id": f"bench-fan-{width}", "steps": listed}, width + 2)
