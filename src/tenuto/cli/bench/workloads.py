"""The shapes of work that are measured: no-op steps in chains, fans, maps and children, so that what is timed is Tenuto
alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tenuto.cli.bench.client import Address, request_bytes

COMPLETED = b'"status":"completed"'
START_PATH = "/executions/start?wait=30000"
ORDER = {"orderId": "order-123"}
SLOTS = 10


class Workload(NamedTuple):
    """A workflow definition, how many steps (or items) one execution of it takes, and what it is started with."""

    definition: dict[str, Any]
    steps: int
    context: Mapping[str, Any] = ORDER

    @property
    def workflow_id(self) -> str:
        return str(self.definition["id"])

    def register_request(self, address: Address) -> bytes:
        return request_bytes("POST", "/workflows", address, msgspec.json.encode(self.definition))

    def start_request(self, address: Address) -> bytes:
        """Start an execution; the answer is its document when it has ended."""
        body = msgspec.json.encode({"workflowId": self.workflow_id, "context": self.context})
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


def mapped(items: int, nested: bool = False) -> Workload:
    """A map of so many items, each one action, or one nested step."""
    body: dict[str, Any] = {"steps": [{"id": "one"}]} if nested else {"action": "noop"}
    step = {"id": "all", "type": "map", "items": "{{ context.items }}", **body}
    name = "bench-map-nested" if nested else "bench-map"
    return Workload({"id": name, "steps": [step]}, items, {"items": list(range(items))})


def nesting() -> Workload:
    """A hundred steps: a chain of 49, and among them a parallel with 50 nested steps."""
    listed: list[dict[str, Any]] = [{"id": "first"}]
    listed += [{"id": f"s{number}", "dependencies": [listed[-1]["id"]]} for number in range(24)]
    nested = [{"id": f"n{number}"} for number in range(50)]
    listed.append({"id": "all", "type": "parallel", "steps": nested, "dependencies": ["s23"]})
    listed += [
        {"id": f"s{number}", "dependencies": [f"s{number - 1}" if number > 24 else "all"]}
        for number in range(24, 48)
    ]
    return Workload({"id": "bench-nesting", "steps": listed}, 100)


def children(amount: int, child: Workload) -> Workload:
    """Steps one after the other, each of which runs the child (which must be registered) and waits for its end."""
    listed = [
        {
            "id": f"s{number}",
            "action": "workflow.run",
            "params": {"workflowId": child.workflow_id},
            "dependencies": [f"s{number - 1}"] if number else [],
        }
        for number in range(amount)
    ]
    return Workload({"id": f"bench-children-{amount}", "steps": listed}, amount)


def sharing(steps: int) -> Workload:
    """Steps that need nothing but one of the ten slots of one concurrency key."""
    key = [{"key": "bench", "limit": SLOTS}]
    listed = [{"id": f"s{number}", "concurrency": key} for number in range(steps)]
    return Workload({"id": f"bench-sharing-{steps}", "steps": listed}, steps)


def timer(at: int) -> Workload:
    """A step that waits until the instant."""
    step = {"id": "wait", "action": "delay", "params": {"until": "{{ context.at }}"}}
    return Workload({"id": "bench-timer", "steps": [step]}, 1, {"at": at})


def waiting() -> Workload:
    """A step that waits for a signal, and one after it."""
    listed = [
        {"id": "go", "action": "signal.wait", "params": {"name": "go"}},
        {"id": "after", "dependencies": ["go"]},
    ]
    return Workload({"id": "bench-waiting", "steps": listed}, 2)
