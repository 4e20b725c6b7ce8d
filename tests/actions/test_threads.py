"""The threads that plain executors run in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from tenuto.actions.threads import Threads


class Gate:
    """A function that tells when it was entered and returns when it is let go."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self._open = threading.Event()

    def __call__(self) -> str:
        self._loop.call_soon_threadsafe(self.entered.set)
        self._open.wait()
        return "through"

    def let_go(self) -> None:
        self._open.set()


async def _give_up(call: asyncio.Future[str]) -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_calls_beyond_the_limit_wait_their_turn() -> None:
    threads = Threads(limit=1)
    first, second = Gate(), Gate()
    one = asyncio.ensure_future(threads.call(first))
    two = asyncio.ensure_future(threads.call(second))
    await first.entered.wait()
    assert not second.entered.is_set()
    second.let_go()
    first.let_go()
    assert (await one, await two) == ("through", "through")
    threads.close()


async def test_a_call_given_up_makes_room_for_another() -> None:
    threads = Threads(limit=1)
    stuck = Gate()
    call = asyncio.ensure_future(threads.call(stuck))
    await stuck.entered.wait()
    await _give_up(call)
    assert await threads.call(lambda: "fine") == "fine"
    stuck.let_go()
    threads.close()


async def test_the_room_made_for_hanging_calls_has_a_bound() -> None:
    threads = Threads(limit=1, hanging_limit=1)
    stuck = [Gate(), Gate()]
    for gate in stuck:
        call = asyncio.ensure_future(threads.call(gate))
        await gate.entered.wait()
        await _give_up(call)
    last = asyncio.ensure_future(threads.call(lambda: "late"))
    await asyncio.sleep(0)
    assert not last.done()
    stuck[0].let_go()
    assert await last == "late"
    stuck[1].let_go()
    threads.close()


async def test_a_call_given_up_before_its_turn_never_starts() -> None:
    threads = Threads(limit=1)
    first, second = Gate(), Gate()
    one = asyncio.ensure_future(threads.call(first))
    two = asyncio.ensure_future(threads.call(second))
    await first.entered.wait()
    await _give_up(two)
    first.let_go()
    await one
    assert await threads.call(lambda: "next") == "next"
    assert not second.entered.is_set()
    threads.close()


async def test_an_error_comes_back_to_the_caller() -> None:
    threads = Threads()

    def fail() -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        await threads.call(fail)
    threads.close()


async def test_many_calls_use_few_threads() -> None:
    threads = Threads(limit=4)
    names = await asyncio.gather(*(threads.call(lambda: threading.current_thread().name) for _ in range(500)))
    assert len(set(names)) <= 4
    threads.close()


async def test_idle_threads_end_on_close_and_a_later_call_begins_anew() -> None:
    threads = Threads(limit=2)
    first = await threads.call(threading.current_thread)
    threads.close()
    first.join(timeout=30)
    assert not first.is_alive()
    assert await threads.call(threading.current_thread) is not first
    threads.close()


def test_a_function_that_never_returns_does_not_keep_the_process() -> None:
    program = """
import asyncio, threading
from tenuto.actions.threads import Threads

async def main():
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    def hang():
        loop.call_soon_threadsafe(started.set)
        threading.Event().wait()
    call = asyncio.ensure_future(Threads().call(hang))
    await started.wait()
    call.cancel()

asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
