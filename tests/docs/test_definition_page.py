"""The reference of definitions has every field with its default, and every code, as the program has them."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from tenuto.wire.definitions import LATER, SERVED, definition_schema
from tests.docs.pages import ROOT, table_rows, text_of

PAGE = text_of("docs/definition.md")
TABLES = {
    "Fields of a workflow": "Definition",
    "Fields of a step": "StepSpec",
    "Retry policy": "RetryPolicy",
    "Defaults": "Defaults",
    "Webhooks": "Webhooks",
}


CHECKING = ("definitions.py", "json.py", "schema.py")
"""What of `wire` checks definitions."""


def in_code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def shown_default(spec: dict[str, Any], name: str, required: list[str]) -> str:
    if name in required:
        return "required"
    if "default" not in spec:
        return "–"
    return f"`{json.dumps(spec['default'])}`"


def expected_rows(struct: str) -> dict[str, str]:
    schema = definition_schema()["$defs"][struct]
    required = schema.get("required", [])
    return {
        name: shown_default(spec, name, required)
        for name, spec in schema["properties"].items()
        if not (struct == "Definition" and name in SERVED)
    }


@pytest.mark.parametrize(("heading", "struct"), TABLES.items())
def test_a_table_has_every_field_with_its_default(heading: str, struct: str) -> None:
    shown = {in_code(name)[0]: default for name, default, _ in table_rows(PAGE, heading)}
    expected = expected_rows(struct)
    assert dict.fromkeys(shown, "") == dict.fromkeys(expected, "")
    assert {
        name: (shown[name], default) for name, default in expected.items() if shown[name] != default
    } == {}


SMALLER = [
    "Receiver", "Case", "AtLeast", "CatchRule", "Handlers", "Compensate", "Compensation", "CacheRule", "Slots",
    "ExecutionSlots",
]  # fmt: skip


@pytest.mark.parametrize("struct", SMALLER)
def test_the_smaller_tables_have_every_field(struct: str) -> None:
    for name, default in expected_rows(struct).items():
        assert f"| `{name}` | {default} |" in PAGE


def test_every_code_of_a_check_is_explained_and_no_other() -> None:
    section = PAGE.split("## What is checked")[1].split("\n## ")[0]
    shown = {
        code for row in re.findall(r"^\| (`[a-z_]+`[^|]*)\|", section, re.MULTILINE) for code in in_code(row)
    }
    assert shown == codes_in_the_program()


def codes_in_the_program() -> set[str]:
    """The second argument of each Finding and Problem about definitions, and of each problem that a generator yields."""
    codes: set[str] = set()
    for file in [
        *(ROOT / "src/tenuto/core").glob("*.py"),
        *(ROOT / "src/tenuto/wire" / name for name in CHECKING),
    ]:
        for node in ast.walk(ast.parse(file.read_text())):
            values: list[ast.expr] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("Finding", "Problem") and len(node.args) > 2:
                    values = [node.args[1]]
                elif node.func.id == "_invalid":
                    values = [node.args[0]]
            elif (
                isinstance(node, ast.Yield)
                and isinstance(node.value, ast.Tuple)
                and len(node.value.elts) == 3
            ):
                values = [node.value.elts[1]]
            codes |= {
                value.value
                for value in values
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            }
    return codes - {"key_is_step"}


def test_everything_that_is_refused_so_far_is_named() -> None:
    section = PAGE.split("## Not supported yet")[1]
    withheld = LATER.withheld
    refused = set().union(withheld.actions, withheld.names, withheld.params, *LATER.fields.values())
    assert {name for name in refused if f"`{name}`" not in section} == set()


def test_every_reason_and_status_is_explained() -> None:
    events = (ROOT / "src/tenuto/core/events.py").read_text()
    reasons = re.findall(r'"([a-z_]+)"', events.split("SkipReason = Literal[")[1].split("]")[0])
    assert [reason for reason in reasons if f"`{reason}`" not in PAGE] == []
