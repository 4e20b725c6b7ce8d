"""Scripts that mean harm: each ends within its limit and a second, and the engine is as good as before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tenuto.errors import ScriptFailed
from tenuto.ports.script import Script
from tenuto.scripting.engine import QuickJsEngine
from tenuto.scripting.request import Limits

LIMITS = Limits(timeout_ms=100, memory_bytes=32 << 20, scope_bytes=1 << 20, result_bytes=64 << 10)
WITHIN_S = LIMITS.timeout_ms / 1000 + 1

STOPPED = {
    "endless loop": "for (;;);",
    "endless loop that catches everything": "for (;;) try { for (;;); } catch {} finally { continue }",
    "endless recursion through generators": "function* f() { yield* f() } for (const x of f()); for (;;);",
    "endless generator": "function* f() { for (;;) yield 1 } return [...f()]",
    "endless iterator": "return Array.from({ [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }) }) })",
    "catastrophic regular expression": "return /^(a+)+$/.test('a'.repeat(40) + 'b')",
    "catastrophic alternation": "return /(x+x+)+y/.test('x'.repeat(40))",
    "backtracking replace": "return ('a'.repeat(40) + '!').replace(/(a|aa)+$/g, '')",
    "join of a long empty array": "return new Array(2 ** 30).join('').length",
    "join of a long array": "return new Array(2 ** 28).join('ab')",
    "sort that never agrees": "return new Array(1e6).fill().map(Math.random).sort(() => { for (;;); })",
    "sorting many": "return new Array(5e6).fill(1).map((x, i) => -i).sort((a, b) => a - b).length",
    "getter that never returns": "return { get a() { for (;;); } }",
    "toJSON that never returns": "return { toJSON() { for (;;); } }",
    "proxy whose traps never return": "return new Proxy({}, { ownKeys() { for (;;); } })",
    "error whose message never comes": "throw { get message() { for (;;); }, name: 'x' }",
    "toString that never returns": "throw { toString() { for (;;); }, toJSON() { for (;;); } }",
    "promise that never settles, with jobs": "const f = () => Promise.resolve().then(f); return f()",
    "microtasks without end": "const f = () => queueMicrotask(f); f(); return new Promise(() => {})",
    "promise flood": "const f = () => { for (let i = 0; i < 1e3; i++) Promise.resolve().then(f) }; f(); return new Promise(f)",
    "async loop": "return (async () => { for (;;) await null })()",
    "thenable that never ends": "return Promise.resolve({ then() { for (;;); } })",
    "big integer power": "return String(2n ** 100000000n).length",
    "big integer text": "return (7n ** 3000000n).toString().length",
    "typed array filled without end": "const a = new Uint8Array(1 << 20); for (;;) a.fill(1)",
    "string search": "return 'a'.repeat(1e6).split('').map((_, i, all) => all.join('').indexOf('b' + i)).length",
    "date loop": "while (Date.now() > 0); ",
    "JSON bomb": "let a = [1]; for (let i = 0; i < 40; i++) a = [a, a]; return a",
    "finalizers": "new FinalizationRegistry(() => { for (;;); }).register({}, 1); for (;;) new Array(100)",
    "label jungle": "a: for (;;) { b: for (;;) { continue a } }",
    "destructuring an endless iterator": "const [...all] = (function* () { for (;;) yield 'x' })(); return all",
    "endless getter on a prototype": "Object.prototype.__defineGetter__('toJSON', () => { for (;;); }); return {}",
    "overridden symbols": "return { [Symbol.toPrimitive]() { for (;;); } } + ''",
}  # fmt: skip

STOPPED_BY_MEMORY = {
    "array that grows": "const a = []; for (;;) a.push(new Array(1000).fill(1))",
    "objects that stay": "const a = []; for (;;) a.push({})",
    "string that doubles": "let s = 'ab'; for (;;) s = [s + s, s + s].join('')",
    "repeat bomb": "return 'x'.repeat(2 ** 29).length",
    "padEnd bomb": "return 'x'.padEnd(2 ** 29, 'yz').length",
    "fill bomb": "return new Array(1e8).fill('x').length",
    "buffers": "const a = []; for (;;) a.push(new ArrayBuffer(1 << 20))",
    "map that grows": "const m = new Map(); for (let i = 0; ; i++) m.set(i, {})",
    "closure chain": "let f = () => 1; for (;;) { const g = f; f = () => g; f.x = new Array(100).fill(0) }",
    "bomb that catches its own error": "const a = []; for (;;) try { a.push(new Array(10000).fill(a)) } catch {}",
    "regular expression source": "return new RegExp('(a'.repeat(2e6) + ')'.repeat(2e6))",
    "spread of much": "return Math.max(...new Array(5e6).fill(1))",
}

REFUSED = {
    "BigInt result": ("return 1n", "BigInt"),
    "symbol result": ("return Symbol('x')", "symbol"),
    "function result": ("return () => 1", "function"),
    "NaN result": ("return NaN", "the result is NaN"),
    "infinite result": ("return -1 / 0", "the result is -Infinity"),
    "cycle": ("const a = {}; a.a = a; return a", "circular"),
    "BigInt inside": ("return { a: [1n] }", "BigInt"),
    "throws null": ("throw null", "null"),
    "throws undefined": ("throw undefined", "undefined"),
    "throws a symbol": ("throw Symbol('boo')", "boo"),
    "throws an object": ("throw { code: 7 }", '{"code":7}'),
    "throws a proxy": ("throw new Proxy({}, { get() { throw 1 }, has() { throw 2 } })", "cannot be shown"),
    "throws an error whose message throws": ("throw { get message() { throw 1 } }", "cannot be shown"),
    "deep recursion": ("function f() { return f() + 1 } return f()", "call stack"),
    "recursion in toJSON": ("return { toJSON() { return JSON.stringify(this) } }", "call stack"),
    "result that throws": ("return { get a() { throw new Error('boom') } }", "boom"),
    "proxy result that throws": ("return new Proxy({}, { ownKeys() { throw new Error('boom') } })", "boom"),
    "rejected promise": ("return Promise.reject(new TypeError('boom'))", "TypeError: boom"),
    "promise that stays pending": ("return new Promise(() => {})", "never settles"),
    "waiting": ("Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)", "Error"),
    "WebAssembly": ("return WebAssembly.compile", "WebAssembly is not defined"),
    "import of a module": ("return import('os')", "could not load module"),
    "import of a file": ("return import('/etc/passwd')", "could not load module"),
    "require": ("return require('fs')", "require is not defined"),
    "process": ("return process.env", "process is not defined"),
    "constructor of a constructor": (
        "return this.constructor.constructor('return process')()",
        "process is not defined",
    ),
    "constructor of the scope": (
        "return context.constructor.constructor('return require')()",
        "require is not defined",
    ),
    "engine modules": ("return std.loadFile('/etc/passwd')", "std is not defined"),
    "timers": ("return setTimeout(() => 1, 1)", "setTimeout is not defined"),
    "network": ("return fetch('http://127.0.0.1')", "fetch is not defined"),
    "closing the function": ("}); (() => { for (;;); })(); (function () {", "SyntaxError"),
    "closing the function with an operator": ("} + function () {", "SyntaxError"),
    "closing the function with a comma": ("}, function () {", "SyntaxError"),
    "closing the function with a statement": ("} for (;;); {", "SyntaxError"),
    "comment without end": ("return 1 /*", "SyntaxError"),
    "NUL": ("return \0", "SyntaxError"),
}

HARMLESS: dict[str, tuple[str, Any]] = {
    "result that changes when read again": ("let n = 0; return { get a() { return n++ } }", {"a": 0}),
    "proxy result": ("return new Proxy({ a: 1 }, {})", {"a": 1}),
    "toJSON": ("return { toJSON() { return { b: 2 } } }", {"b": 2}),
    "own keys named __proto__": ('return JSON.parse(\'{"__proto__": {"x": 1}}\')', {"__proto__": {"x": 1}}),
    "shadowed globals": (
        "JSON.stringify = () => '!'; Array.isArray = null; Object.keys = null; return [1]",
        [1],
    ),
    "NUL in a text": ("return 'a\\0b'", "a\0b"),
    "half of a surrogate pair": ("return '\\ud83d!' + '😀'.slice(1)", "�!�"),
    "escaped backslash before a u": ("return '\\\\ud83d'", "\\ud83d"),
    "nothing": ("", None),
    "undefined inside": ("return { a: undefined, b: [undefined, () => 1] }", {"b": [None, None]}),
    "integers at the edge": ("return [2 ** 53, -(2 ** 53), 1e21, -0, 0.1]", [2**53, -(2**53), 1e21, 0, 0.1]),
    "escaping by a sloppy this": ("return typeof this.context", "undefined"),
}


@pytest.fixture
async def engine() -> AsyncIterator[QuickJsEngine]:
    engine = QuickJsEngine(workers=1, limits=LIMITS, most_workers=2)
    assert await run(engine, "return 1") == 1
    yield engine
    assert await run(engine, "return [typeof leaked, ({}).leaked, 1 + 1, [3].map(x => x)]") == [
        "undefined",
        None,
        2,
        [3],
    ]
    await engine.close()


async def run(engine: QuickJsEngine, body: str) -> Any:
    return await engine.evaluate(Script("body", body), {"context": {"a": 1}})


async def failure(engine: QuickJsEngine, body: str) -> ScriptFailed:
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(ScriptFailed) as caught:
            await run(engine, body)
    return caught.value


@pytest.mark.parametrize("name", STOPPED)
async def test_a_script_that_does_not_end_is_stopped(engine: QuickJsEngine, name: str) -> None:
    assert (await failure(engine, STOPPED[name])).kind in {"limit", "script"}


@pytest.mark.parametrize("name", STOPPED_BY_MEMORY)
async def test_a_script_that_wants_all_memory_is_stopped(engine: QuickJsEngine, name: str) -> None:
    assert (await failure(engine, STOPPED_BY_MEMORY[name])).kind in {"limit", "script"}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_work_is_an_error_that_says_so(engine: QuickJsEngine, name: str) -> None:
    body, words = REFUSED[name]
    failed = await failure(engine, body)
    assert failed.kind == "script"
    assert words in str(failed)


@pytest.mark.parametrize("name", HARMLESS)
async def test_odd_results_are_ordinary_data(engine: QuickJsEngine, name: str) -> None:
    body, value = HARMLESS[name]
    assert await run(engine, body) == value


POLLUTION = """
    globalThis.leaked = 1
    Object.prototype.leaked = 1
    Array.prototype.map = () => 'leaked'
    Object.defineProperty(Object.prototype, 'toJSON', { value: () => 'leaked', configurable: true })
    Promise.prototype.then = () => 'leaked'
    globalThis.JSON = undefined
    Reflect.apply = () => 'leaked'
"""


async def test_nothing_that_a_script_changes_reaches_the_next(engine: QuickJsEngine) -> None:
    await run(engine, POLLUTION)  # the fixture looks for what is left
    assert await run(engine, "return { a: [1].map(x => x + 1) }") == {"a": [2]}


async def test_a_result_over_the_limit_is_refused_by_its_size(engine: QuickJsEngine) -> None:
    limit = LIMITS.result_bytes
    assert await run(engine, f"return 'x'.repeat({limit - 2})") == "x" * (limit - 2)
    assert "the result is larger than 65536 bytes" in str(
        await failure(engine, f"return 'x'.repeat({limit - 1})")
    )
    assert "larger" in str(await failure(engine, f"return 'é'.repeat({limit // 2})"))


async def test_a_result_that_nests_too_deeply_is_refused(engine: QuickJsEngine) -> None:
    nested = "let a = []; for (let i = 1; i < {depth}; i++) a = i % 2 ? {{ a }} : [a, '[[{{']; return a"
    assert await run(engine, nested.format(depth=100))
    for depth in (101, 1000):
        assert "nests deeper than 100 levels" in str(await failure(engine, nested.format(depth=depth)))


async def test_data_over_the_limit_is_refused_only_where_it_is_read(engine: QuickJsEngine) -> None:
    scope = {"context": {"big": "x" * LIMITS.scope_bytes, "a": 1}}
    assert await engine.evaluate(Script("expression", "context.a + 1"), scope) == 2
    with pytest.raises(ScriptFailed, match="the data it reads is larger than 1 MiB") as caught:
        await engine.evaluate(Script("expression", "context.big.length"), scope)
    assert caught.value.kind == "limit"


async def test_data_that_is_not_json_is_an_error(engine: QuickJsEngine) -> None:
    with pytest.raises(ScriptFailed, match="what it reads is not JSON data"):
        await engine.evaluate(Script("expression", "context.x + 1"), {"context": {"x": object()}})


async def test_odd_data_goes_in_unharmed(engine: QuickJsEngine) -> None:
    odd: dict[str, Any] = {
        "__proto__": 1,
        "constructor": None,
        "\0": "\0",
        "half": "\ud800",
        "to": {"toJSON": 1},
        "": [],
        "then": 5,
    }
    found = await engine.evaluate(
        Script("expression", "Object.keys(context).map(k => [k, context[k]])"), {"context": odd}
    )
    assert dict(found) == {**odd, "half": "�"}


@pytest.mark.parametrize(
    "body",
    [
        "for (;;);",
        "globalThis.x = 1; throw 1",
        "import('os')",
        "while (true) { }",
        "return await_ ()",
        "var a; function a() {}",
    ],
)
async def test_checking_parses_and_runs_nothing(engine: QuickJsEngine, body: str) -> None:
    assert await engine.check(Script("body", body)) is None


@pytest.mark.parametrize(
    "source",
    [
        "1; for (;;);",
        ") + (",
        "1), (2",
        "]; [",
        "",
        "...[1]",
        "let x = 1",
        "} + {",
        "1 //\n) + (",
        "return 1",
        "-->",
        "/*",
    ],
)
async def test_no_text_gets_out_of_the_expression_it_stands_in(engine: QuickJsEngine, source: str) -> None:
    message = await engine.check(Script("expression", source))
    assert message is not None
    assert message.startswith("SyntaxError")
    with pytest.raises(ScriptFailed, match="SyntaxError") as caught:
        await engine.evaluate(Script("expression", source), {})
    assert caught.value.kind == "expression"


@pytest.mark.parametrize(
    "body",
    [
        "}", "{", "} {", "}{", "} + function(){", "}, function(){", "}); (function(){", "} function g() {", "}[0] = function(){",
        "} in function(){", "}\n(a) => {", "}}) ; (function(){ function _(){", "} => {", "}(1), () => {", "} //", "`${`",
        "} catch {", "} else {", "}; {", "} get x() {", "} `${", "})`", "}\n/a/.x = function(){",
    ],
)  # fmt: skip
async def test_no_text_gets_out_of_the_body_it_stands_in(engine: QuickJsEngine, body: str) -> None:
    assert str(await engine.check(Script("body", body))).startswith("SyntaxError")


async def test_many_hostile_scripts_at_once_leave_the_engine_sound(engine: QuickJsEngine) -> None:
    scripts = [*STOPPED.values()][:6]
    async with asyncio.timeout(30):
        ends = await asyncio.gather(*(run(engine, body) for body in scripts), return_exceptions=True)
    assert all(isinstance(end, ScriptFailed) for end in ends)
