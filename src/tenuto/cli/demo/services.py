"""The services that the example workflows call, all in one small process on loopback: `/<service>/<what it does>`.

They remember every call they got (`GET /calls`), so that anybody can check what the orchestrator did. What is new under
an Idempotency-Key is hard: a payment is refused twice with 503 first, and a parcel takes long to pack.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from msgspec import Struct

DEFAULT_PORT = 4010
"""The port that the workflows in examples/ call."""

PAYMENT_REFUSALS = 2

Body = Mapping[str, Any]


class Call(Struct, rename="camel"):
    """One call that arrived. `status` stays None while it is being answered, and for ever if the caller went away.
    Times in ms since the epoch."""

    service: str
    path: str
    method: str
    key: str | None
    execution_id: str | None
    step_id: str | None
    attempt: str | None
    arrived_at: int
    status: int | None = None
    body: Any = None


class Task(NamedTuple):
    """What a service does: how long it takes (the first time it sees a key, and later), and its answer to the
    number-th call under a key."""

    takes_ms: int
    answer: Callable[[Body, int], tuple[int, Any]]
    first_takes_ms: int | None = None

    def ms(self, number: int) -> int:
        """How long the number-th call takes."""
        return self.takes_ms if number > 1 or self.first_takes_ms is None else self.first_takes_ms


USERS = [
    {"id": 1, "name": "Clara", "email": "clara@example.org"},
    {"id": 2, "name": "Robert", "email": "robert@example.org"},
    {"id": 3, "name": "Fanny", "email": "fanny@example.org"},
]
ORDERS = [
    {"id": "A-1", "userId": 1, "status": "active", "total": 120.5},
    {"id": "A-2", "userId": 2, "status": "cancelled", "total": 15},
    {"id": "A-3", "userId": 3, "status": "active", "total": 42},
]


def _always(answer: Any) -> Callable[[Body, int], tuple[int, Any]]:
    return lambda body, number: (200, answer)


def _charge(body: Body, number: int) -> tuple[int, Any]:
    if number <= PAYMENT_REFUSALS:
        return 503, {"error": "the card network is busy"}
    return 200, {"paymentId": "pay-7731", "charged": body.get("amount", 99.99)}


VALIDATE = Task(60, _always({"valid": True}))
CHARGE = Task(120, _charge)
RECEIVE = Task(5, _always({"received": True}))

TASKS = {
    ("validation", "validate"): VALIDATE,
    ("validation-service", "validate"): VALIDATE,
    ("validation", "fraud"): Task(150, _always({"score": 0.02})),
    ("inventory", "check"): Task(80, _always({"available": True})),
    ("inventory", "reserve"): Task(120, _always({"reservation": "res-55"})),
    ("payment", "charge"): CHARGE,
    ("payment-service", "charge"): CHARGE,
    ("shipping", "ship"): Task(150, _always({"trackingNumber": "TN-2026-42"})),
    ("warehouse", "pack"): Task(800, _always({"parcelId": "parcel-9"}), first_takes_ms=5000),
    ("fulfillment-service", "fulfill"): Task(150, _always({"fulfilled": True})),
    ("source-system", "data"): Task(120, _always({"users": USERS, "orders": ORDERS})),
    ("target-system", "load"): Task(150, _always({"loaded": True})),
    ("notifications", "email"): RECEIVE,
    ("notifications", "order-complete"): RECEIVE,
    ("notifications", "order-failed"): RECEIVE,
    ("analytics", "order-complete"): RECEIVE,
    ("support", "order-failed"): RECEIVE,
}


class Services:
    """All services, and what they were asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._numbers: Counter[tuple[str, str | None]] = Counter()

    def application(self) -> web.Application:
        """The services over HTTP."""
        application = web.Application()
        application.router.add_get("/calls", self._list_calls)
        application.router.add_route("*", "/{service}/{task}", self._work)
        return application

    async def _list_calls(self, request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.calls), content_type="application/json")

    async def _work(self, request: web.Request) -> web.Response:
        service, name = request.match_info["service"], request.match_info["task"]
        task = TASKS.get((service, name))
        if task is None:
            raise web.HTTPNotFound(text=f"no stand-in does {service}/{name}")
        body = _decoded(await request.read())
        call = _call(request, service, body)
        self.calls.append(call)
        self._numbers[service, call.key] += 1
        number = self._numbers[service, call.key]
        status, answer = task.answer(body if isinstance(body, dict) else {}, number)
        await asyncio.sleep(task.ms(number) / 1000)
        call.status = status
        return web.Response(status=status, body=msgspec.json.encode(answer), content_type="application/json")


def _call(request: web.Request, service: str, body: Any) -> Call:
    headers = request.headers
    return Call(
        service=service,
        path=request.path,
        method=request.method,
        key=headers.get("Idempotency-Key"),
        execution_id=headers.get("X-Tenuto-Execution-Id"),
        step_id=headers.get("X-Tenuto-Step-Id"),
        attempt=headers.get("X-Tenuto-Attempt"),
        arrived_at=time.time_ns() // 1_000_000,
        body=body,
    )


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else None
    except msgspec.DecodeError:
        return content.decode("utf-8", "replace")


async def serve(port: int) -> None:
    """Serve until SIGTERM or SIGINT; the address goes to standard output. Port 0 takes a free one."""
    runner = web.AppRunner(
        Services().application(), access_log=None, handler_cancellation=True, shutdown_timeout=1
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await stopped.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PORT))
