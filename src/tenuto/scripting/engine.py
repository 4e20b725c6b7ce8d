"""JavaScript in a small pool of killable processes (docs/adr/0003): each script runs in a fresh engine, within limits
that the parent enforces by SIGKILL, and never on the event loop. Processes start with the first script and end when
there is nothing to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

import msgspec

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.fair import FairQueue
from tenuto.scripting.request import Limits, check_payload, payload, prepare, read_answer, stopped
from tenuto.scripting.sandbox import Sandbox, command

WATCH_S = 0.02
"""How often running scripts are looked at."""

GRACE_S = 0.1
"""How long after the limit the parent kills: the engine's own limit, where it works, spares the process."""

SLOW_S = 0.02
"""A script that has run for this long lets go of those that wait behind it in the same process."""

CROWDED_S = 0.1
"""When every process has been busy with one script for this long, another process is started."""

ABANDONED_S = 0.1
STARTING_S = 10.0
SURPLUS_IDLE_S = 2.0
LOOP_LATE_S = 0.25
SHALLOW, DEEP = 4, 16
FAILED_STARTS = 10
LONGEST_ERROR = 1 << 18


class _Evaluation:
    """One script that somebody waits for. `losses` counts the processes that ended under it by themselves."""

    __slots__ = ("future", "losses", "request", "scope", "script")

    def __init__(
        self, script: Script, scope: Mapping[str, Any], request: bytes | None, future: asyncio.Future[Any]
    ) -> None:
        self.script = script
        self.scope = scope
        self.request = request
        self.future = future
        self.losses = 0


class _Worker:
    """A process and what was sent to it and not answered; the first of these is running since `since` (s)."""

    __slots__ = ("is_ready", "running", "sandbox", "since")

    def __init__(self, sandbox: Sandbox, now: float) -> None:
        self.sandbox = sandbox
        self.running: deque[tuple[int, _Evaluation | None]] = deque()
        self.since = now
        self.is_ready = False

    def let_go(self) -> list[_Evaluation]:
        """What waits behind the running script, for others to take; its answers, if any come, count no longer."""
        waiting = [evaluation for _, evaluation in list(self.running)[1:] if evaluation is not None]
        first = self.running[0]
        self.running = deque([first, *((number, None) for number, _ in list(self.running)[1:])])
        return waiting


class QuickJsEngine:
    """The ScriptEngine of the product. `workers` processes are kept while there is work; up to `most_workers` are
    started when scripts burn all of those; idle ones end after `idle_ms`. `child` gives the command that starts one.
    Raises ConfigurationError where the package with the engine is not installed."""

    def __init__(
        self,
        workers: int = 2,
        limits: Limits | None = None,
        *,
        most_workers: int | None = None,
        idle_ms: int = 60_000,
        child: Callable[[Limits], list[str]] = command,
    ) -> None:
        self.limits = limits or Limits()
        self._arguments = child(self.limits)
        self._kept_workers = workers
        self._most_workers = workers + 2 if most_workers is None else most_workers
        self._idle_s = idle_ms / 1000
        self._queue: FairQueue[_Evaluation] = FairQueue()
        self._workers: dict[Sandbox, _Worker] = {}
        self._ending: set[Sandbox] = set()
        self._last_number = 0
        self._failed_starts = 0
        self._watch: asyncio.TimerHandle | None = None
        self._watch_due = 0.0
        self._is_close_watch = False
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that run now."""
        return [sandbox.pid for sandbox in self._workers]

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        """The script's value; see ports/script.py. A scope is read when the script starts, and must not change
        meanwhile."""
        return await self._submit(script, scope, None)

    async def check(self, script: Script) -> str | None:
        """Why the source does not parse, or None. Nothing of it runs."""
        try:
            await self._submit(script, {}, check_payload(script))
        except ScriptFailed as failure:
            return str(failure)
        return None

    async def close(self) -> None:
        """Kill every child and wait until all are gone. Evaluations under way are cancelled."""
        self._is_closed = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for worker in list(self._workers.values()):
            self._cancel(evaluation for _, evaluation in worker.running)
            self._end(worker)
        while self._queue:
            self._cancel([self._queue.pop()])
        await asyncio.gather(*(sandbox.reaped for sandbox in self._ending))
        self._ending.clear()

    @staticmethod
    def _cancel(evaluations: Iterable[_Evaluation | None]) -> None:
        for evaluation in evaluations:
            if evaluation is not None:
                evaluation.future.cancel()

    def _submit(self, script: Script, scope: Mapping[str, Any], request: bytes | None) -> asyncio.Future[Any]:
        assert not self._is_closed, "nothing is evaluated after close()"
        future = asyncio.get_running_loop().create_future()
        owner = id(scope.get("context"))  # the execution's: alive as long as the evaluation holds the scope
        self._queue.push(owner, _Evaluation(script, scope, request, future))
        self._dispatch()
        return future

    def _dispatch(self) -> None:
        """Hand out what waits, as far as there are processes to take it."""
        while self._queue:
            worker = self._choose()
            if worker is None:
                break
            self._hand_over(worker)
        self._keep_watch()

    def _choose(self) -> _Worker | None:
        """The process for the next script: an idle one, else one where scripts pass quickly, else a new one."""
        now = monotonic()
        flowing: _Worker | None = None
        for worker in self._workers.values():
            if not worker.running:
                return worker
            is_quick = not worker.is_ready or now - worker.since < SLOW_S / 4
            is_next = flowing is None or len(worker.running) < len(flowing.running)
            if is_quick and is_next and not worker.sandbox.is_clogged:
                flowing = worker
        if flowing is not None and len(flowing.running) < SHALLOW:
            return flowing
        if len(self._workers) < self._kept_workers or (flowing is None and self._is_crowded(now)):
            return self._start(now)
        return flowing if flowing is not None and len(flowing.running) < DEEP else None

    def _is_crowded(self, now: float) -> bool:
        return len(self._workers) < self._most_workers and all(
            worker.is_ready and now - worker.since > CROWDED_S for worker in self._workers.values()
        )

    def _start(self, now: float) -> _Worker | None:
        try:
            sandbox = Sandbox(
                self._arguments, self.limits.result_bytes + LONGEST_ERROR, self._on_answer, self._on_end
            )
        except OSError as error:
            if not self._workers:
                self._refuse_all(f"no process to run scripts in could be started: {error}")
            return None
        worker = self._workers[sandbox] = _Worker(sandbox, now)
        return worker

    def _refuse_all(self, message: str) -> None:
        while self._queue:
            self._fail(self._queue.pop(), ScriptFailed("script", message))

    def _hand_over(self, worker: _Worker) -> None:
        evaluation = self._queue.pop()
        if evaluation.future.done():
            return
        if evaluation.request is None:
            try:
                evaluation.request = self._encode(evaluation)
            except ScriptFailed as failure:
                self._fail(evaluation, failure)
                return
        self._last_number = self._last_number % 0xFFFFFFFF + 1
        if not worker.running and worker.is_ready:
            worker.since = monotonic()
        worker.running.append((self._last_number, evaluation))
        worker.sandbox.send(self._last_number, evaluation.request)

    def _encode(self, evaluation: _Evaluation) -> bytes:
        encoded = payload(prepare(evaluation.script, evaluation.scope), evaluation.scope)
        if len(encoded) > self.limits.scope_bytes:
            raise stopped("scope", self.limits)
        return encoded

    @staticmethod
    def _fail(evaluation: _Evaluation | None, failure: ScriptFailed) -> None:
        if evaluation is not None and not evaluation.future.done():
            evaluation.future.set_exception(failure)

    def _on_answer(self, sandbox: Sandbox, number: int, answer: bytes) -> None:
        worker = self._workers[sandbox]
        worker.since = monotonic()
        if number == 0 and not worker.is_ready:
            worker.is_ready = True
            self._failed_starts = 0
            return
        if not worker.running or worker.running[0][0] != number:
            self._lose(worker)  # it talks nonsense: no answer of it can be trusted
            return
        _, evaluation = worker.running.popleft()
        if evaluation is not None and not evaluation.future.done():
            self._settle(evaluation, answer)
        self._dispatch()

    def _settle(self, evaluation: _Evaluation, answer: bytes) -> None:
        try:
            value = read_answer(answer, evaluation.script, evaluation.scope, self.limits)
        except ScriptFailed as failure:
            evaluation.future.set_exception(failure)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
            message = f"the process it ran in gave an answer that cannot be read: {error}"
            evaluation.future.set_exception(ScriptFailed("limit", message))
        else:
            evaluation.future.set_result(value)

    def _on_end(self, sandbox: Sandbox) -> None:
        self._lose(self._workers[sandbox])

    def _lose(self, worker: _Worker) -> None:
        """The process ended by itself, or must: what it ran is tried once more elsewhere."""
        if not worker.is_ready:
            self._failed_starts += 1
        elif worker.running and worker.running[0][1] is not None:
            worker.running[0][1].losses += 1
        again = [evaluation for _, evaluation in worker.running if evaluation is not None]
        self._end(worker)
        if again and again[0].losses > 1:
            self._fail(again.pop(0), stopped("crash", self.limits))
        self._queue.put_back(again)
        if self._failed_starts >= FAILED_STARTS:
            self._failed_starts = 0
            self._refuse_all("the process to run scripts in ends while it starts")
        self._dispatch()

    def _end(self, worker: _Worker) -> None:
        worker.sandbox.kill()
        del self._workers[worker.sandbox]
        self._ending = {sandbox for sandbox in self._ending if not sandbox.reaped.done()} | {worker.sandbox}

    def _keep_watch(self) -> None:
        """Look at the processes again soon while any is busy, else when the idle ones are due to end."""
        if not self._workers or self._is_closed:
            return
        is_busy = bool(self._queue) or any(worker.running for worker in self._workers.values())
        if self._watch is not None:
            if self._is_close_watch or not is_busy:
                return
            self._watch.cancel()
        self._is_close_watch = is_busy
        after = WATCH_S if is_busy else self._idle_after()
        self._watch_due = monotonic() + after
        self._watch = asyncio.get_running_loop().call_later(after, self._look)

    def _idle_after(self) -> float:
        is_surplus = len(self._workers) > self._kept_workers
        return min(SURPLUS_IDLE_S, self._idle_s) if is_surplus else self._idle_s

    def _look(self) -> None:
        now = monotonic()
        self._watch = None
        if (
            now - self._watch_due < LOOP_LATE_S
        ):  # else answers may lie unread: they are read before the next look
            for worker in list(self._workers.values()):
                self._look_at(worker, now - worker.since)
        self._dispatch()

    def _look_at(self, worker: _Worker, for_s: float) -> None:
        if not worker.running:
            if for_s >= self._idle_after():
                self._end(worker)
        elif not worker.is_ready:
            if for_s > STARTING_S:
                self._lose(worker)
        elif for_s > self._allowed_s(worker.running[0][1]):
            self._stop(worker)
        elif for_s > SLOW_S and len(worker.running) > 1:
            self._queue.put_back(worker.let_go())

    def _allowed_s(self, evaluation: _Evaluation | None) -> float:
        allowed = self.limits.timeout_ms / 1000 + GRACE_S
        is_abandoned = evaluation is None or evaluation.future.done()
        return min(ABANDONED_S, allowed) if is_abandoned else allowed

    def _stop(self, worker: _Worker) -> None:
        """Kill a process whose script is over its time."""
        _, evaluation = worker.running.popleft()
        others = [other for _, other in worker.running if other is not None]
        self._end(worker)
        self._fail(evaluation, stopped("time", self.limits))
        self._queue.put_back(others)
