"""The engine over its processes: what scripts see, how work is shared out, and what becomes of lost processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.engine import QuickJsEngine
from tenuto.scripting.request import Limits

CONTEXT: dict[str, Any] = {
    "amount": 120,
    "nothing": None,
    "order": {"items": [{"sku": "a", "price": 2}, {"sku": "b"}], "a-b": 1},
    "validate-order": {"valid": True},
    "step-2": {"n": 3},
    "previousStep": {"result": 150},
}
STEPS: dict[str, Any] = {
    "validate-order": {"status": "success", "result": {"valid": True}},
    "off": {"status": "skipped"},
}
SCOPE: dict[str, Any] = {
    "context": CONTEXT,
    "input": {"users": [{"id": 1, "name": "x", "z": 0}]},
    "steps": STEPS,
}

BURN = Script("body", "for (;;);")


@pytest.fixture
async def engine() -> AsyncIterator[QuickJsEngine]:
    engine = QuickJsEngine(workers=1, limits=Limits(timeout_ms=2000))
    yield engine
    await engine.close()


async def evaluate(engine: QuickJsEngine, source: str) -> Any:
    return await engine.evaluate(Script("expression", source), SCOPE)


async def run(engine: QuickJsEngine, source: str) -> Any:
    return await engine.evaluate(Script("body", source), SCOPE)


EXPRESSIONS: dict[str, Any] = {
    "context.amount > 100": True,
    "context.previousStep.result > 100": True,
    "context.order.items.map(item => ({ ...item, processed: true }))": [
        {"sku": "a", "price": 2, "processed": True},
        {"sku": "b", "processed": True},
    ],
    "input.users.map(u => ({ id: u.id, name: u.name }))": [{"id": 1, "name": "x"}],
    "{ a: context.amount }": {"a": 120},
    "1, 2": 2,
    "context.validate-order.valid && context.step-2.n": 3,
    "steps.validate-order.result.valid": True,
    "context.amount-20": 100,
    "context.amount // as it is": 120,
    "[Object.keys(context.order), Array.isArray(context.order.items), JSON.stringify(context.order.items)]": [
        ["items", "a-b"],
        True,
        '[{"sku":"a","price":2},{"sku":"b"}]',
    ],
    "[context.order instanceof Object, context.order.items instanceof Array, context.order.constructor === Object]": [
        True
    ]
    * 3,
    "(() => { const keys = []; for (const key in context.order) keys.push(key); return keys })()": [
        "items",
        "a-b",
    ],
    "context.order.items === context.order.items": True,
    "context.order.items.indexOf(context.order.items[1])": 1,
    "'sku' in context.order.items[0] && !('nope' in context)": True,
    "Object.assign(context.order, { fresh: 1 }).fresh": 1,
    "context.order.hasOwnProperty('items')": True,
    "`${context.order}`": "[object Object]",
    "context.order.items.concat([1]).length": 3,
    "Promise.resolve(context.amount).then(a => a + 1)": 121,
    "(async () => { await null; return context.amount })()": 120,
    "new Date(0)": "1970-01-01T00:00:00.000Z",
    "new Date(2024, 6, 1).toISOString()": "2024-07-01T00:00:00.000Z",
    "Math.random() < 1": True,
    "undefined": None,
    # absence, guarded
    "context?.nope": None,
    "context.nope ?? 'd'": "d",
    "(context.nope) ?? 'd'": "d",
    "context.nope?.deep.deeper": None,
    "context.order.items.map(item => item.price ?? 0)": [2, 0],
    "context.order.items.map(item => item?.price)": [2, None],
    "context['no-pe'] ?? 1": 1,
    "context?.['no-pe']": None,
    "['amount', 'nope'].map(key => context[key] ?? 0)": [120, 0],
    "steps.off.result ?? 'none'": "none",
    "Object.keys(context).includes('nope')": False,
}


async def test_expressions_see_ordinary_data(engine: QuickJsEngine) -> None:
    for source, value in EXPRESSIONS.items():
        assert (source, await evaluate(engine, source)) == (source, value)


ABSENT: dict[str, str] = {
    "context.nope > 1": "`context.nope` is absent; guard it with `?.` or `??` if that may be",
    "!context.nope": "`context.nope` is absent",
    "context.order.items[1].price * 2": "`context.order.items[1].price` is absent",
    "context.order.items.map(item => item.price * 2)": "`context.order.items[1].price` is absent",
    "context.order.items[2] + 1": "`context.order.items[2]` is absent",
    "context.order['c-d'] + 1": '`context.order["c-d"]` is absent',
    "steps.off.result.x + 1": "`steps.off.result` is absent: step `off` was skipped",
    "context.off + 1": "`context.off` is absent: step `off` was skipped",
    "steps.nobody.status + 1": "`steps.nobody` is absent;",
    "input.amount + 1": "`input.amount` is absent",
    "(context.nope ?? 1) + context.other": "`context.other` is absent",
    "['nope'].map(key => context[key])[0] + 1": "`context.nope` is absent",
    "[context['x' + 1] ?? 0, context.nope]": "`context.nope` is absent",
    "context.nothing.x + 1": "TypeError: cannot read property 'x' of null (line 1, column 1)",
    "nobody + 1": "ReferenceError: nobody is not defined (line 1, column 1)",
    "\n\n  nobody + 1": "ReferenceError: nobody is not defined (line 3, column 3)",
    "context.amount +": "SyntaxError: ",
    "context.amount + ;": "SyntaxError: unexpected token in expression: ';' (line 1, column 18)",
}


async def test_reading_what_is_absent_is_an_error_that_names_it(engine: QuickJsEngine) -> None:
    for source, message in ABSENT.items():
        with pytest.raises(ScriptFailed) as caught:
            await evaluate(engine, source)
        assert caught.value.kind == "expression"
        assert str(caught.value).startswith(message), source


async def test_bodies_are_strict_about_their_roots_only(engine: QuickJsEngine) -> None:
    assert await run(engine, "return input.users.map(u => u.nickname || u.name)") == ["x"]
    assert await run(engine, "return context.order.nope === undefined") is True
    for source, name in (
        ("return context.nope", "context.nope"),
        ("return input.nope", "input.nope"),
        ("return steps.off.result", "steps.off.result"),
    ):
        with pytest.raises(ScriptFailed, match=f"`{name}` is absent") as caught:
            await run(engine, source)
        assert caught.value.kind == "script"


async def test_an_error_says_where_in_the_source_it_arose(engine: QuickJsEngine) -> None:
    with pytest.raises(ScriptFailed) as caught:
        await run(engine, "const x = 1;\n\nfunction f() { return nobody }\nreturn f()")
    assert str(caught.value) == "ReferenceError: nobody is not defined (line 4, column 8)"


async def test_a_scope_may_be_read_in_any_way(engine: QuickJsEngine) -> None:
    for source in ("eval('context.amount')", "(() => arguments[0].amount)()", "\\u0063ontext.amount",
                   "(context => context.amount)(context)", "(({ context: c }) => c.amount)({ context })"):  # fmt: skip
        assert await evaluate(engine, source) == 120
    long = "context.amount" + " " * 70_000
    assert await evaluate(engine, long) == 120


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(st.characters(codec="utf-8")),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(codec="utf-8")), children),
    max_leaves=20,
)


def test_any_data_comes_back_as_it_went_in() -> None:
    with asyncio.Runner() as runner:
        engine = QuickJsEngine(workers=1)

        @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(JSON)
        def comes_back(value: Any) -> None:
            scope = {"context": {"v": value}}
            for source in ("[context.v][0]", "(c => c.v)(context)"):
                assert runner.run(engine.evaluate(Script("expression", source), scope)) == value

        try:
            comes_back()
        finally:
            runner.run(engine.close())


async def gone(pid: int) -> None:
    """Wait until the child has ended and was reaped."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(watched, ended.set)
    await ended.wait()
    loop.remove_reader(watched)
    os.close(watched)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something about other processes, of which nothing tells this one."""
    for _ in range(20_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


async def test_nothing_runs_before_the_first_script_or_after_close() -> None:
    engine = QuickJsEngine()
    assert engine.pids == []
    await evaluate(engine, "1 + 1")
    (pid,) = engine.pids
    await engine.close()
    assert engine.pids == []
    await gone(pid)
    with pytest.raises(AssertionError):
        await evaluate(engine, "1 + 1")


async def test_idle_processes_end_and_start_again() -> None:
    engine = QuickJsEngine(idle_ms=50)
    await evaluate(engine, "1 + 1")
    (pid,) = engine.pids
    await gone(pid)
    await until(lambda: engine.pids == [])
    assert await evaluate(engine, "1 + 1") == 2
    await engine.close()


async def test_a_quick_script_does_not_wait_behind_a_burning_one() -> None:
    engine = QuickJsEngine(workers=2, limits=Limits(timeout_ms=60_000))
    burning = asyncio.create_task(engine.evaluate(BURN, SCOPE))
    quick = [asyncio.create_task(evaluate(engine, "context.amount + 1")) for _ in range(50)]
    assert set(await asyncio.gather(*quick)) == {121}
    assert not burning.done()
    await engine.close()
    await asyncio.gather(burning, return_exceptions=True)


async def test_when_all_burn_another_process_takes_the_quick_ones() -> None:
    engine = QuickJsEngine(workers=2, limits=Limits(timeout_ms=60_000))
    burning = [asyncio.create_task(engine.evaluate(BURN, SCOPE)) for _ in range(2)]
    await until(lambda: len(engine.pids) == 2)
    quick = [asyncio.create_task(evaluate(engine, "context.amount + 1")) for _ in range(20)]
    assert set(await asyncio.gather(*quick)) == {121}
    assert not any(task.done() for task in burning)
    assert len(engine.pids) == 3
    await engine.close()
    await asyncio.gather(*burning, return_exceptions=True)


async def test_what_waits_when_every_process_burns_goes_on_after_the_limit() -> None:
    engine = QuickJsEngine(workers=1, most_workers=1, limits=Limits(timeout_ms=200))
    burning = asyncio.create_task(engine.evaluate(BURN, SCOPE))
    quick = asyncio.create_task(evaluate(engine, "context.amount + 1"))
    assert await quick == 121
    with pytest.raises(ScriptFailed, match="stopped after 200 ms"):
        await burning
    await engine.close()


async def test_a_killed_process_costs_only_its_own_script_time() -> None:
    engine = QuickJsEngine(workers=1, most_workers=1, limits=Limits(timeout_ms=200))
    await evaluate(engine, "1 + 1")
    hanging = asyncio.create_task(run(engine, "return new Array(2 ** 30).join('').length"))
    behind = [asyncio.create_task(evaluate(engine, "context.amount + 1")) for _ in range(20)]
    with pytest.raises(ScriptFailed) as caught:
        await hanging
    assert caught.value.kind == "limit"
    assert set(await asyncio.gather(*behind)) == {121}
    await engine.close()


async def test_a_script_whose_process_is_lost_is_tried_once_more(engine: QuickJsEngine) -> None:
    await evaluate(engine, "1 + 1")
    (pid,) = engine.pids
    os.kill(pid, signal.SIGSTOP)  # so that it cannot answer before it is killed
    lost = [asyncio.create_task(evaluate(engine, f"context.amount + {i}")) for i in range(3)]
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.gather(*lost) == [120, 121, 122]
    assert engine.pids != [pid]


async def test_a_script_that_loses_two_processes_is_not_tried_again(engine: QuickJsEngine) -> None:
    await evaluate(engine, "1 + 1")
    unlucky = asyncio.create_task(engine.evaluate(BURN, SCOPE))
    behind = asyncio.create_task(evaluate(engine, "context.amount + 1"))
    seen: set[int] = set()
    for _ in range(2):
        await until(lambda: any(is_burning(pid) for pid in engine.pids if pid not in seen))
        (pid,) = (pid for pid in engine.pids if pid not in seen and is_burning(pid))
        seen.add(pid)
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(ScriptFailed, match="ended twice") as caught:
        await unlucky
    assert caught.value.kind == "limit"
    assert await behind == 121


def is_burning(pid: int) -> bool:
    """Whether the process has used 150 ms of CPU, which starting does not take."""
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[11]) >= 15


async def test_abandoned_scripts_do_not_keep_a_process() -> None:
    engine = QuickJsEngine(workers=1, most_workers=1, limits=Limits(timeout_ms=60_000))
    await evaluate(engine, "1 + 1")
    (pid,) = engine.pids
    burning = asyncio.create_task(engine.evaluate(BURN, SCOPE))
    await asyncio.sleep(0)
    burning.cancel()
    await gone(pid)
    assert await evaluate(engine, "1 + 1") == 2
    await engine.close()


async def test_closing_cancels_what_is_under_way() -> None:
    engine = QuickJsEngine()
    waiting = [asyncio.create_task(engine.evaluate(BURN, SCOPE)) for _ in range(30)]
    await asyncio.sleep(0)
    await engine.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)


async def test_owners_take_turns(engine: QuickJsEngine) -> None:
    order: list[str] = []

    async def note(name: str, scope: dict[str, Any]) -> None:
        await engine.evaluate(Script("body", "return 1"), scope)
        order.append(name)

    busy, other = {"context": {"a": 1}}, {"context": {"a": 2}}
    tasks = [asyncio.create_task(note("busy", busy)) for _ in range(100)]
    tasks.append(asyncio.create_task(note("other", other)))
    await asyncio.gather(*tasks)
    assert order.index("other") < 40


def python_child(code: str) -> Callable[[Limits], list[str]]:
    return lambda _limits: [sys.executable, "-I", "-S", "-c", code]


async def test_a_process_that_cannot_start_is_an_error_not_a_wait() -> None:
    engine = QuickJsEngine(child=python_child("raise SystemExit(1)"))
    with pytest.raises(ScriptFailed, match="ends while it starts"):
        await evaluate(engine, "1 + 1")
    await engine.close()


async def test_a_program_that_is_not_there_is_an_error_not_a_wait() -> None:
    engine = QuickJsEngine(child=lambda _limits: ["/nonexistent/python"])
    with pytest.raises(ScriptFailed, match="could be started"):
        await evaluate(engine, "1 + 1")
    await engine.close()


READY = "import os, time; os.write(1, bytes(8)); os.read(0, 9999); "


@pytest.mark.parametrize(
    "answer",
    [
        r"bytes([0, 0, 0, 1, 9, 9, 9, 9]) + b'v'",  # a number nobody asked for
        r"bytes([255, 255, 255, 255, 0, 0, 0, 1])",  # four gigabytes
    ],
)
async def test_a_process_that_talks_nonsense_is_not_believed(answer: str) -> None:
    engine = QuickJsEngine(child=python_child(READY + f"os.write(1, {answer}); time.sleep(60)"))
    with pytest.raises(ScriptFailed) as caught:
        await evaluate(engine, "1 + 1")
    assert caught.value.kind == "limit"
    await engine.close()


@pytest.mark.parametrize("answer", ["vnot json", "x", "", "e[]", "e{}}", "lfoo", "e[1,2]"])
async def test_an_answer_that_cannot_be_read_is_an_error(answer: str) -> None:
    frame = f"bytes([0, 0, 0, {len(answer)}, 0, 0, 0, 1]) + {answer.encode()!r}"
    engine = QuickJsEngine(child=python_child(READY + f"os.write(1, {frame}); time.sleep(60)"))
    with pytest.raises(ScriptFailed) as caught:
        await evaluate(engine, "1 + 1")
    assert caught.value.kind == "limit"
    await engine.close()


async def work() -> None:
    engines = [QuickJsEngine(workers=2) for _ in range(3)]
    values = await asyncio.gather(
        *(evaluate(engine, f"context.amount + {i}") for engine in engines for i in range(40))
    )
    assert values == [120 + i for _ in engines for i in range(40)]
    big = {"context": {"text": "é" * 3_000_000, "a": 1}}
    lengths = await asyncio.gather(
        *(
            engine.evaluate(Script("expression", "context.text.length + context.a"), big)
            for engine in engines
            for _ in range(3)
        )
    )
    assert lengths == [3_000_001] * 9
    await asyncio.gather(*(engine.close() for engine in engines))


@pytest.mark.parametrize("start", [asyncio.run, uvloop.run])
def test_several_engines_work_in_one_process_on_either_loop(
    start: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    start(work())
    gc.collect()  # whatever was not closed would warn here


async def test_many_scripts_leave_no_memory_behind(engine: QuickJsEngine) -> None:
    async def rounds(count: int) -> None:
        await asyncio.gather(
            *(evaluate(engine, "context.order.items.map(i => ({ ...i }))") for _ in range(count))
        )

    await rounds(500)
    (pid,) = engine.pids[:1]
    before = resident_kib(pid)
    await rounds(3000)
    assert resident_kib(pid) - before < 4096


def resident_kib(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        (line,) = (line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])
