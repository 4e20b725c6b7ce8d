"""The demo, told in order: three example workflows to their end, then one that loses its server in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from tenuto.cli import live
from tenuto.cli.demo import documents, evidence, processes
from tenuto.cli.demo.evidence import CallLog, Claim
from tenuto.cli.demo.processes import Child
from tenuto.cli.demo.services import PAYMENT_REFUSALS, Call
from tenuto.cli.graphs import coloured, of_execution
from tenuto.cli.options import GraphFormat
from tenuto.cli.progress import Progress
from tenuto.cli.signs import draws_unicode, look, sign
from tenuto.cli.times import duration
from tenuto.client import Execution, JournalEntry, StepResult, SyncClient

KILLED_IN = "pack"
"""The step in whose middle the server is killed."""

HOLD_MS = 4000
"""The timer in the same workflow, which is running then."""

ORDER = {
    "orderId": "order-123",
    "customerId": "customer-456",
    "amount": 99.99,
    "items": [{"sku": "SCORE-OP-110", "quantity": 2}, {"sku": "METRONOME", "quantity": 1}],
}


class Crash(NamedTuple):
    """The calls that steps had made when the server was killed, when that was, and when the next was ready (ms)."""

    before: list[Call]
    killed_at: int
    ready_at: int


class Story:
    """Tells it to `console`; `claims` is what was checked on the way."""

    def __init__(
        self, console: Console, server: Child, services_url: str, server_url: str, client: SyncClient
    ) -> None:
        self.console = console
        self.server = server
        self.server_url = server_url
        self.services_url = services_url
        self.client = client
        self.log = CallLog(services_url)
        self.claims: list[Claim] = []

    def tell(self) -> bool:
        """All of it; True if everything that is claimed was seen to be so."""
        self._etl()
        self._cicd()
        self._order_flow()
        self._crash()
        return sum_up(self.console, self.claims)

    def _etl(self) -> None:
        self._chapter("1", "ETL pipeline", "extract, two transforms side by side, load")
        ended = self._run("etl-pipeline", {})
        users, orders = _step(ended, "transform-users"), _step(ended, "transform-orders")
        names = [user["name"] for user in users.result or []]
        active = [order["id"] for order in orders.result or []]
        self._claim(
            "all four steps succeeded, and the transforms kept what they should",
            ended.status == "completed" and len(names) == 3 and active == ["A-1", "A-3"],
            f"users {', '.join(names)}; active orders {', '.join(active)}",
        )
        self._claim(
            "load started only after both transforms had ended",
            all(
                0 < (step.end_time or 0) <= (_step(ended, "load").start_time or 0) for step in (users, orders)
            ),
        )

    def _cicd(self) -> None:
        self._chapter("2", "CI/CD pipeline", "six steps in a row that do nothing but order")
        ended = self._run("cicd-pipeline", {})
        expected = [step["id"] for step in documents.load("cicd-pipeline")["steps"]]
        self._claim(
            "six steps ended in the order of their dependencies",
            ended.status == "completed" and sorted(expected, key=_ends(ended)) == expected,
            f"in {duration(ended.duration)}, each on disk before the next one started",
        )

    def _order_flow(self) -> None:
        self._chapter(
            "3", "E-commerce order flow", "a payment that is refused twice, retried after 2 s and 4 s"
        )
        ended = self._run("order-flow", {"orderId": "123"})
        calls = evidence.of_execution(self.log.read(), ended.execution_id)
        answers = evidence.statuses(calls, "charge-payment")
        self._claim(
            "the payment was tried three times and charged once",
            ended.status == "completed" and answers == [*[503] * PAYMENT_REFUSALS, 200],
            f"the payment service answered {', '.join(map(str, answers))}",
        )
        keys = evidence.keys(calls, "charge-payment")
        self._claim(
            "every attempt came with the same Idempotency-Key",
            len(keys) == 1 and None not in keys,
            ", ".join(map(str, keys)),
        )
        self._claim_webhook(ended)

    def _crash(self) -> None:
        self._chapter("4", "kill -9", f"a longer order; its server dies while {KILLED_IN!r} is being called")
        self._register("order-fulfilment")
        started = self.client.start("order-fulfilment", ORDER)
        crashes: list[Crash] = []

        def meanwhile(progress: Progress, entry: JournalEntry) -> None:
            if not crashes and progress.rows[KILLED_IN].status == "running":
                crashes.append(self._kill_and_restart(started.execution_id))

        live.watch(self.client, started.execution_id, self.console, meanwhile)
        ended = self.client.get(started.execution_id)
        self._draw(ended)
        self._claim(f"the server was killed while {KILLED_IN!r} was under way", bool(crashes))
        for crash in crashes:
            self._check_crash(ended, crash)

    def _kill_and_restart(self, execution_id: str) -> Crash:
        """Kill the server while the step's call is being answered, and start another."""

        def in_the_middle(calls: Sequence[Call]) -> bool:
            return bool(evidence.statuses(evidence.of_execution(calls, execution_id), KILLED_IN))

        before = evidence.of_execution(self.log.await_calls(in_the_middle), execution_id)
        pid = self.server.pid
        self.server.kill()
        killed_at = live.now_ms()
        self._say(f"{_bolt()} server {pid} killed with SIGKILL while the warehouse was packing", "bold red")
        self.server.start("--port", self.server_url.rpartition(":")[2])
        ready_at = live.now_ms()
        took = duration(ready_at - killed_at)
        again = f"started again as {self.server.pid}, ready after {took}; nobody told it what to do"
        self._say(f"{sign('completed')} {again}", "bold green")
        return Crash(before, killed_at, ready_at)

    def _check_crash(self, ended: Execution, crash: Crash) -> None:
        before = crash.before
        after = evidence.of_execution(self.log.read(), ended.execution_id)
        self._print_calls(before, after)
        finished = {call.step_id for call in before if call.status == 200}
        counted_before, counted = evidence.counts(before), evidence.counts(after)
        self._claim(
            "the execution completed under its old id", ended.status == "completed", ended.execution_id
        )
        self._claim(
            "no step that had finished was called again",
            len(finished) >= 4 and all(counted[step] == counted_before[step] for step in finished if step),
            f"{len(finished)} steps: {', '.join(sorted(step for step in finished if step))}",
        )
        keys = evidence.keys(after, KILLED_IN)
        self._claim(
            f"the interrupted call of {KILLED_IN!r} was made once more, with the same Idempotency-Key",
            counted[KILLED_IN] == 2 and len(keys) == 1 and None not in keys,
            ", ".join(map(str, keys)),
        )
        held = _step(ended, "hold-for-changes")
        started_over = max(crash.killed_at + HOLD_MS, crash.ready_at + 1000)
        self._claim(
            "the timer of 4 s ran on through the crash: not early, and not from the beginning",
            (held.duration or 0) >= HOLD_MS and (held.end_time or started_over) < started_over,
            f"it took {duration(held.duration)}",
        )
        self._claim_webhook(ended)

    def _claim_webhook(self, ended: Execution) -> None:
        def arrived(calls: Sequence[Call]) -> bool:
            return bool(_completions(calls, ended.execution_id))

        told = _completions(self.log.await_calls(arrived), ended.execution_id)
        self._claim("the onComplete webhook arrived", len(told) == 1, "at the analytics service, once")

    def _run(self, name: str, context: dict[str, Any]) -> Execution:
        self._register(name)
        started = self.client.start(name, context)
        live.watch(self.client, started.execution_id, self.console)
        ended = self.client.get(started.execution_id)
        self._draw(ended)
        return ended

    def _register(self, name: str) -> None:
        registered = self.client.register(documents.load(name, self.services_url))
        self._say(f"POST /workflows  {registered.workflow_id}, version {registered.version}", "dim")

    def _draw(self, ended: Execution) -> None:
        drawing = of_execution(self.client, ended.execution_id, GraphFormat.TERMINAL)
        self.console.print(coloured("\n" + indent(drawing, "    ") + "\n"))

    def _chapter(self, number: str, title: str, about: str) -> None:
        self.console.print()
        if self.console.is_terminal:
            self.console.print(
                Rule(Text.assemble((f"{number}  {title}", "bold"), (f"  {about}", "dim")), align="left")
            )
        else:
            self.console.print(f"== {number}  {title}: {about}")

    def _claim(self, sentence: str, holds: bool, seen: str = "") -> None:
        self.claims.append(Claim(sentence, holds, seen))
        status = "success" if holds else "failed"
        self.console.print(Text.assemble((f"  {sign(status)} ", look(status).style), sentence))
        if seen:
            self.console.print(Text(f"      {seen}", "dim"))

    def _print_calls(self, before: Sequence[Call], after: Sequence[Call]) -> None:
        self._say("calls that the stand-in services saw:", "bold")
        counted_before, counted = evidence.counts(before), evidence.counts(after)
        for step in counted:
            answers = ", ".join(
                "gone" if status is None else str(status) for status in evidence.statuses(after, step)
            )
            keys = _shown_keys(evidence.keys(after, step))
            again = counted[step] - counted_before[step]
            self._say(
                f"  {step:<18} before the kill {counted_before[step]}, after {again}   {answers:<16} {keys}",
                "",
            )
        self.console.print()

    def _say(self, text: str, style: str) -> None:
        self.console.print(Text(f"  {text}", style))


def sum_up(console: Console, claims: Sequence[Claim]) -> bool:
    """Say whether every claim holds; what does not is named again."""
    broken = [claim for claim in claims if not claim.holds]
    console.print()
    if claims and not broken:
        line = f"  {sign('completed')} All {len(claims)} claims above were checked and hold."
        console.print(Text(line, "bold green"))
        return True
    for claim in broken:
        console.print(Text(f"  {sign('failed')} not so: {claim.sentence} ({claim.seen})", "bold red"))
    return False


@contextmanager
def staged(console: Console, folder: Path) -> Iterator[Story]:
    """Services and server started for the story, and ended after it."""
    services, server = processes.services(folder), processes.server(folder)
    try:
        services_url = services.start()
        began = time.monotonic()
        server_url = server.start("--port", "0")
        took = duration((time.monotonic() - began) * 1000)
        console.print(Text.assemble(("  services  ", "dim"), services_url))
        console.print(
            Text.assemble(
                ("  server    ", "dim"), server_url, (f"  process {server.pid}, ready after {took}", "dim")
            )
        )
        console.print(Text.assemble(("  database  ", "dim"), str(folder / "demo.db")))
        with SyncClient(server_url) as client:
            yield Story(console, server, services_url, server_url, client)
    finally:
        server.stop()
        services.stop()


def _completions(calls: Sequence[Call], execution_id: str) -> list[Call]:
    """Calls of the analytics service that tell of this execution's end."""
    return [
        call
        for call in calls
        if call.service == "analytics" and isinstance(call.body, dict) and execution_id in str(call.body)
    ]


def _ends(ended: Execution) -> Any:
    return lambda step: (_step(ended, step).end_time or 0, _step(ended, step).start_time or 0)


def _step(ended: Execution, step: str) -> StepResult:
    """How the step ended; pending if nothing happened to it."""
    return ended.step_results.get(step) or StepResult(step_id=step, status="pending")


def _shown_keys(keys: set[str | None]) -> str:
    """Keys with the execution's id left out, which they all begin with."""
    shown = (f"…/{key.partition('/')[2]}" if key else "no key" for key in keys)
    return ", ".join(sorted(shown))


def _bolt() -> str:
    return "↯" if draws_unicode() else "!"
