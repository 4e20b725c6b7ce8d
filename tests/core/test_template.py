"""Parsing `{{ expressions }}`: where they end, what they are, and what they read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenuto.core.reading import Segment
from tenuto.core.template import (
    Expression,
    Mistake,
    PlainPath,
    Reference,
    Template,
    find_templates,
    names_read,
    parse_expression,
    parse_template,
    read_script,
    references,
)
from tenuto.errors import Invalid

IDS = frozenset({"validate-order", "step-2", "a", "a.b", "x.y-1", "1st", "order"})


def sources(text: str, known_ids: frozenset[str] = frozenset()) -> list[str]:
    """Literal parts as they are, expressions in angle brackets."""
    parts = parse_template(text, known_ids).parts
    return [part if isinstance(part, str) else f"<{part.source.strip()}>" for part in parts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [""]),
        ("plain } text }}", ["plain } text }}"]),
        ("{{ a }}", ["<a>"]),
        ("x {{ a }} y {{b}}", ["x ", "<a>", " y ", "<b>"]),
        ("{{a}}{{b}}", ["<a>", "<b>"]),
        ("{{ {a: 1}.a }}", ["<{a: 1}.a>"]),
        ("{{{a: {b: 1}}}}", ["<{a: {b: 1}}>"]),
        ("{{ '}}' + \"}}\" }}", ["<'}}' + \"}}\">"]),
        ("{{ '\\'}}' }}", ["<'\\'}}'>"]),
        ("{{ `}}${ {a: `}}`}.a }}}` }}", ["<`}}${ {a: `}}`}.a }}}`>"]),
        ("{{ `${a}` }}!", ["<`${a}`>", "!"]),
        ("{{ /}}/.test(a) }}", ["</}}/.test(a)>"]),
        ("{{ /[/}}]/.test(a) }}", ["</[/}}]/.test(a)>"]),
        ("{{ a / b }} / {{ c }}", ["<a / b>", " / ", "<c>"]),
        ("{{ a /* }} */ }}", ["<a /* }} */>"]),
        ("{{ a // }}\n }}", ["<a // }}>"]),
        (r"\{{ a }}", ["{{ a }}"]),
        (r"\{{ a }} {{ b }}\{{", ["{{ a }} ", "<b>", "{{"]),
        ("{{ a }}\\", ["<a>", "\\"]),
    ],
)
def test_an_expression_ends_where_javascript_ends_it(text: str, expected: list[str]) -> None:
    assert sources(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{", '`{{` is never closed by `}}` (character 1 of "{{")'),
        ("a {{ b", '`{{` is never closed by `}}` (character 3 of "a {{ b")'),
        ("{{ }}", 'there is no expression between `{{` and `}}` (character 1 of "{{ }}")'),
        ("{{ /* only */ }}", "there is no expression"),
        ("{{ a } }}", "`}` closes nothing; an expression ends with `}}` (character 6"),
        ("{{ (a }}", "`(` is never closed (character 4"),
        ("{{ [a) }}", "`[` is never closed (character 4"),
        ("{{ a) }}", "`)` closes nothing (character 5"),
        ("{{ 'a }}", "a string has no end (character 4"),
        ("{{ `a }}", "a template literal has no end (character 4"),
        ("{{ `${a }}", "a template literal has no end"),
        ("{{ /* a }}", "a comment has no end (character 4"),
        ("{{ /a }}", "a regular expression has no end (character 4"),
        ("{{ a }} {{ }}", "there is no expression between `{{` and `}}` (character 9"),
    ],
)
def test_a_mistake_is_named_with_its_position(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_template(text)
    assert caught.value.problems[0].code == "template"
    assert message in caught.value.problems[0].message


def test_a_template_knows_what_it_is() -> None:
    literal, single, mixed = parse_template(r"\{{x"), parse_template("{{ a }}"), parse_template("{{ a }} b")
    assert (literal.is_literal, literal.is_single, literal.text) == (True, False, "{{x")
    assert (single.is_literal, single.is_single) == (False, True)
    assert (mixed.is_literal, mixed.is_single) == (False, False)


def plain(text: str, known_ids: frozenset[str] = frozenset()) -> PlainPath | None:
    return parse_expression(text, known_ids).path


def keys(path: PlainPath | None) -> list[str | int]:
    assert path is not None, "the expression is a plain path"
    return [path.root, *(segment.key for segment in path.segments)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("context", ["context"]),
        ("context.a.b[0]['x-y']", ["context", "a", "b", 0, "x-y"]),
        (' context . a [ "b c" ] ', ["context", "a", "b c"]),
        ("steps.id.result.x", ["steps", "id", "result", "x"]),
        ("execution.id", ["execution", "id"]),
        ("context.class.if", ["context", "class", "if"]),
        ("context.café", ["context", "café"]),
    ],
)
def test_plain_paths_need_no_engine(text: str, expected: list[str | int]) -> None:
    assert keys(plain(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "context.a + 1", "context.a()", "context[b]", "context['a\\n']", "!context.a", "this.a", "undefined", "5",
        "'a'", "Math.PI", "context.a ?? context.b", "context.a[-1]", "context?.a.b ?? f()", "context.#a", "null",
        "context.a;", "new.target", "context.a ?? 'x' ?? 'y'", "context[true]", "context[1.5]",
    ],
)  # fmt: skip
def test_everything_else_goes_to_the_engine(text: str) -> None:
    assert plain(text) is None


@pytest.mark.parametrize(
    ("text", "default"),
    [("context.a ?? 0", 0), ("context.a ?? 'x'", "x"), ("context.a ?? true", True), ("context.a ?? null", None),
     ("context.a ?? 1.5", 1.5)],
)  # fmt: skip
def test_a_literal_default_keeps_a_path_plain(text: str, default: object) -> None:
    path = plain(text)
    assert path is not None
    assert path.has_default
    assert path.default == default
    assert path.segments == (Segment("a", is_guarded=True),)


def test_guards_cover_the_keys_beside_them() -> None:
    path = plain("context.a?.b.c")
    assert path is not None
    assert path.segments == (Segment("a", False, True), Segment("b", True, True), Segment("c", False, False))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("context.validate-order.valid", ["context", "validate-order", "valid"]),
        ("steps.step-2.result.x", ["steps", "step-2", "result", "x"]),
        ("steps?.x.y-1?.result", ["steps", "x.y-1", "result"]),
        ("context.1st.x", ["context", "1st", "x"]),
        ("context.a.b", ["context", "a", "b"]),
        ("context['validate-order']", ["context", "validate-order"]),
    ],
)
def test_known_step_ids_may_be_written_with_hyphens(text: str, expected: list[str | int]) -> None:
    assert keys(plain(text, IDS)) == expected


def test_an_unknown_name_with_a_hyphen_is_a_subtraction() -> None:
    assert plain("context.order-2", IDS) is None
    assert plain("input.validate-order", IDS) is None
    assert plain("context.x.validate-order", IDS) is None


def test_hyphened_ids_are_spelled_for_javascript() -> None:
    assert sources("{{ context.validate-order.ok && !steps?.step-2?.error }}", IDS) == [
        '<context["validate-order"].ok && !steps?.["step-2"]?.error>'
    ]
    assert sources("{{ [`${context.step-2}`, context.order - 2] }}", IDS) == [
        '<[`${context["step-2"]}`, context.order - 2]>'
    ]


def test_references_name_steps_and_whether_absence_is_guarded() -> None:
    template = parse_template(
        "{{ context.a }} {{ steps.b.result.x > context?.c }} {{ steps.d.result ?? 0 }} {{ context['e f']?.x }}"
        "{{ context }}{{ steps.g.status }}{{ steps.h }}"
    )
    assert references(template) == (
        Reference("a", "context", None, False),
        Reference("b", "steps", "result", False),
        Reference("c", "context", None, True),
        Reference("d", "steps", "result", True),
        Reference("e f", "context", None, True),
        Reference("g", "steps", "status", False),
        Reference("h", "steps", None, False),
    )


@pytest.mark.parametrize(
    "source",
    ["'context.a'", "`context.a`", "/context.a/", "1 // context.a", "1 /* context.a */", "x.context.a",
     "({context: 1})", "x?.context.a"],
)  # fmt: skip
def test_text_that_is_not_code_reads_nothing(source: str) -> None:
    assert references(read_script(source)) == ()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("context.amount > 100", {"context"}),
        ("input.map(item => ({...item, processed: true}))", {"input"}),
        ("return input.users.map(u => ({ id: u.id, name: u.name }))", {"input"}),
        ("items.map((item, index) => item + index + vars.x)", {"items", "vars"}),
        ("; if (context.x) { return contxt.y }", {"context", "contxt"}),
        ("const {a, b: [c]} = input; let d = 1, e = f(g), h; for (const k of l) { z(k) } return [a,c,d,e,h]",
         {"input", "f", "g", "l", "z"}),
        ("function f(q) { return q + w } class A { m(x) { return x } get y() { return zz } } return new A(f)",
         {"w", "zz"}),
        ("try { a() } catch (e) { e }", {"a"}),
        ("outer: for (;;) { i++ }", {"i"}),
        ("switch (w) { case v: 1 }", {"w", "v"}),
        ("x ? {a: b} : c", {"x", "b", "c"}),
        ("x ? y : {z, [w]: 1}", {"x", "y", "z", "w"}),
        ("`${secrets.key} ${'}'}`", {"secrets"}),
        ("(a = 1) => a", set()),
        ("Math.max(Number(x), NaN, undefined, globalThis.y)", {"x"}),
        ("async ({a: {b}}, ...rest) => { await b(rest) }", set()),
        ("while (x) { y() }", {"x", "y"}),
    ],
)  # fmt: skip
def test_names_that_are_neither_declared_nor_standard_are_found(source: str, names: set[str]) -> None:
    assert names_read(read_script(source)) == names


@pytest.mark.parametrize(
    "source", ["eval('context')", "arguments[0]", "c\\u006fntext.a", "{}\n/a/g", "'open"]
)
def test_what_cannot_be_known_is_said_to_be_uncertain(source: str) -> None:
    reads = read_script(source)
    assert not reads.is_certain
    assert reads.names == frozenset()


def test_guarded_property_names_are_found() -> None:
    reads = read_script("(context.a) ?? 1, context?.b.c, x['d e']?.f, y?.[0], z.g ??= 2")
    assert reads.optional == {"context", "a", "b", "d e", "f", "y", "x", "0", "g"} - {"x"}
    assert not reads.has_computed_guard
    assert read_script("context[k] ?? context.a").has_computed_guard
    assert read_script("context[k] ?? context.a").required == {"a"}


def test_templates_are_found_in_document_order_with_their_paths() -> None:
    value = {
        "url": "{{ context.url }}",
        "headers": {"x-id": "no", "y": [1, None, "{{ execution.id }}", r"\{{"]},
        "code": "{{ not a template",
        "bad": "{{ ",
    }
    found = list(find_templates(value, skip=frozenset({"code"})))
    assert [path for path, _ in found] == [("url",), ("headers", "y", 2), ("headers", "y", 3), ("bad",)]
    assert [type(what) for _, what in found] == [Template, Template, Template, Mistake]
    assert [path for path, _ in find_templates("{{ a }}")] == [()]


def test_a_tree_of_any_depth_is_walked() -> None:
    value: object = "{{ context.x }}"
    for _ in range(5_000):
        value = [value]
    assert len(list(find_templates(value))) == 1


def test_long_sources_are_read_in_linear_time() -> None:
    # each of these would take minutes if reading were quadratic
    for source in ("f(" * 10_000 + ")" * 10_000, "a?.b ?? " * 10_000 + "1", "[" * 20_000, "'" + "\\'" * 100_000,
                   "context." + "a-" * 20_000, "(a=" * 10_000 + "1" + ")=>1" * 10_000, "let a " * 10_000,
                   "let a = b " * 10_000):  # fmt: skip
        read_script(source, IDS)


TEXT = st.text(alphabet="{}\\ ab'\"`$/*.?[]()-\n", max_size=40)


@given(TEXT)
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        template = parse_template(text, IDS)
    except Invalid:
        return
    assert template.parts
    assert all(not isinstance(part, Expression) or part.source.strip() for part in template.parts)
    if "{{" not in text:
        assert template.text == text


@given(TEXT)
def test_escaping_every_opening_gives_the_text_back(text: str) -> None:
    assert parse_template(text.replace("{{", "\\{{")).text == text


JSON_KEYS = st.one_of(st.text(min_size=1, max_size=8).filter(lambda t: "\\" not in t and "'" not in t and t.isprintable()),
                      st.integers(0, 10**6))  # fmt: skip


@given(st.lists(JSON_KEYS, max_size=6))
def test_a_bracketed_path_reads_back_as_its_keys(wanted: list[str | int]) -> None:
    source = "context" + "".join(f"[{key}]" if isinstance(key, int) else f"['{key}']" for key in wanted)
    assert keys(plain(source)) == ["context", *wanted]


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True))
def test_every_step_id_can_be_written_after_a_dot(step_id: str) -> None:
    path = plain(f"context.{step_id}", frozenset({step_id}))
    assert keys(path) == ["context", step_id]
