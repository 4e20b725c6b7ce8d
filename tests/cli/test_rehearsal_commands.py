"""`tenuto test` and `tenuto simulate`: files of cases in, lines, JSON and JUnit's XML out."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run

DEFINITION: dict[str, Any] = {
    "id": "rehearsed",
    "steps": [
        {"id": "a", "action": "webhook", "params": {"url": "http://shop.example/{{ context.n + 1 }}"}},
        {"id": "b", "action": "pack", "dependencies": ["a"]},
    ],
}
RIGHT: dict[str, Any] = {
    "name": "it goes well",
    "context": {"n": 1},
    "mocks": {"a": {"delay": 2_500}, "b": {"result": {"parcel": 7}}},
    "expect": {"status": "completed", "output": {"b": {"parcel": 7}}},
}
WRONG: dict[str, Any] = {"name": "it does not", "context": {"n": 1}, "expect": {"status": "failed"}}


def written(
    folder: Path, *cases: dict[str, Any], workflow: Any = "rehearsed.json", name: str = "cases.json"
) -> str:
    """A file of these cases, with the definition beside it."""
    (folder / "rehearsed.json").write_bytes(msgspec.json.encode(DEFINITION))
    file = folder / name
    file.write_bytes(msgspec.json.encode({"workflow": workflow, "cases": cases}))
    return str(file)


def test_every_case_is_a_line(bare: Run, tmp_path: Path) -> None:
    file = written(tmp_path, RIGHT, RIGHT | {"name": "again"})
    ran = bare("test", file)
    assert ran.code == 0
    assert ran.out == (
        f"✓ {file}: it goes well (completed, 2.50 s)\n✓ {file}: again (completed, 2.50 s)\n2 cases passed\n"
    )


def test_a_case_that_is_not_as_expected_exits_with_1_and_says_what_is_different(
    bare: Run, tmp_path: Path
) -> None:
    output = {"b": {"parcel": 8, "weight": 3, "colour": "of the box, which is long enough for lines"}}
    longer = RIGHT | {"name": "longer", "expect": {"output": output}}
    ran = bare("test", written(tmp_path, RIGHT, WRONG, longer))
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[2] == "    status: expected failed, got completed"
    assert lines[3] == "    nothing was said of a, b"
    assert lines[4].endswith("longer (completed, 2.50 s)")
    assert lines[5:8] == ["    output:", "      --- expected", "      +++ got"]
    assert [line for line in lines if "parcel" in line] == [
        '      -    "parcel": 8,',
        '      +    "parcel": 7',
    ]
    assert lines[-1] == "2 of 3 cases failed"


def test_cases_are_chosen_by_name(bare: Run, tmp_path: Path) -> None:
    file = written(tmp_path, RIGHT, WRONG)
    assert bare("test", file, "--case", "well").code == 0
    nothing = bare("test", file, "--case", "nowhere")
    assert (nothing.code, "'nowhere'" in nothing.err) == (2, True)


def test_everything_is_there_as_json(bare: Run, tmp_path: Path) -> None:
    file = written(tmp_path, RIGHT, WRONG)
    ran = bare("test", file, "-o", "json")
    right, wrong = ran.json
    assert (right["file"], right["case"], right["ok"], wrong["ok"]) == (file, "it goes well", True, False)
    assert right["calls"][0]["params"] == {"url": "http://shop.example/2"}
    assert wrong["expectations"] == [
        {"what": "status", "ok": False, "expected": "failed", "actual": "completed"}
    ]
    assert bare("test", file, "-o", "json").out == ran.out


def test_a_report_of_junit_has_suites_and_failures(bare: Run, tmp_path: Path) -> None:
    file = written(tmp_path, RIGHT, WRONG, {**RIGHT, "name": "no\x1b[31m such", "mocks": {"nobody": {}}})
    assert bare("test", file, "--junit", str(tmp_path / "report.xml")).code == 1
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "time")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
        "time": "2.500",
    }
    assert [case.get("name") for case in root.iter("testcase")] == [
        "it goes well",
        "it does not",
        "no [31m such",
    ]
    [failure] = root.iter("failure")
    assert failure.text == "status: expected failed, got completed"
    [error] = root.iter("error")
    assert error.text == "cases[2].mocks.nobody: There is no step 'nobody'."


def test_yaml_and_definitions_inside_the_file_are_read(bare: Run, tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(
        "workflow: {id: w, steps: [{id: a, params: {result: '{{ context.n }}'}}]}\n"
        "cases: [{name: one, context: {n: 3}, expect: {output: {a: 3}}}]\n"
        "---\n"
        "workflow: {id: w, steps: [{id: a}]}\n"
        "cases: [{name: two, expect: {output: {a: null}}}]\n"
    )
    ran = bare("test", str(file))
    assert ran.code == 0
    assert ran.out.splitlines()[1].startswith(f"✓ {file}#2: two")


def test_workflows_of_a_server_are_tested_by_id(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, RIGHT, workflow="rehearsed@1")
    assert run("register", str(tmp_path / "rehearsed.json")).code == 0
    assert run("test", file).code == 0
    missing = run("test", written(tmp_path, RIGHT, workflow="rehearsd", name="other.json"))
    assert (missing.code, "rehearsed" in missing.err) == (4, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workflow: rehearsed.json\ncases:\n  - {name: x, expct: {}}\n", "line 3: cases[0].expect"),
        ("workflow: rehearsed.json\ncases: []\n", "cases: Expected a list of at least 1"),
        ("workflow: missing.json\ncases: [{name: x, expect: {}}]\n", "cannot read"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_place(
    bare: Run, tmp_path: Path, text: str, said: str
) -> None:
    written(tmp_path, RIGHT)
    file = tmp_path / "cases.yaml"
    file.write_text(text)
    ran = bare("test", str(file))
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_a_definition_with_problems_fails_its_cases(bare: Run, tmp_path: Path) -> None:
    ran = bare("test", written(tmp_path, RIGHT, workflow={"id": "w", "steps": [{"id": "a", "tmeout": 1}]}))
    assert ran.code == 1
    assert "workflow: steps[0].tmeout: There is no field" in ran.out


def test_a_report_that_cannot_be_written_is_a_mistake_of_the_caller(bare: Run, tmp_path: Path) -> None:
    ran = bare("test", written(tmp_path, RIGHT), "--junit", str(tmp_path / "nowhere" / "report.xml"))
    assert ran.code == 2


def test_simulating_shows_verdicts_and_mishaps(bare: Run, tmp_path: Path) -> None:
    written(tmp_path, RIGHT)
    file = str(tmp_path / "rehearsed.json")
    ran = bare("simulate", file, "--context", '{"n": 1}')
    assert ran.code == 0
    rows = [line.split() for line in ran.out.splitlines()]
    assert rows[1][:5] == ["a", "webhook", "safe", "if", "honoured"]
    assert rows[2][:3] == ["b", "pack", "unknown"]
    assert "LEAVES DONE a" in ran.out
    assert ran.out.splitlines()[-1] == "1 of 2 steps may not be safe to repeat."


def test_strict_simulations_exit_with_1_for_what_is_not_safe(bare: Run, tmp_path: Path) -> None:
    written(tmp_path, RIGHT)
    file, mocks = str(tmp_path / "rehearsed.json"), tmp_path / "mocks.yaml"
    mocks.write_text("idempotent: [b]\n")
    assert bare("simulate", file, "--context", '{"n": 1}', "--strict").code == 1
    ran = bare("simulate", file, "--context", '{"n": 1}', "--mocks", str(mocks), "--strict")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Every step may be repeated.")


def test_simulations_are_the_same_as_json_each_time(bare: Run, tmp_path: Path) -> None:
    written(tmp_path, RIGHT)
    file = str(tmp_path / "rehearsed.json")
    ran = bare("simulate", file, "--context", '{"n": 1}', "-o", "json")
    assert [row["verdict"] for row in ran.json["steps"]] == ["safe if honoured", "unknown"]
    assert bare("simulate", file, "--context", '{"n": 1}', "-o", "json").out == ran.out


def test_bad_mocks_and_bad_definitions_are_refused(bare: Run, tmp_path: Path) -> None:
    written(tmp_path, RIGHT)
    mocks = tmp_path / "mocks.json"
    mocks.write_text('{"mcks": {}}')
    refused = bare("simulate", str(tmp_path / "rehearsed.json"), "--mocks", str(mocks))
    assert (refused.code, "mocks" in refused.err) == (2, True)
    mocks.write_text('{"mocks": {"nobody": {}}}')
    unknown = bare("simulate", str(tmp_path / "rehearsed.json"), "--mocks", str(mocks))
    assert (unknown.code, "nobody" in unknown.err) == (1, True)
    mocks.write_text('{"id": "w", "steps": []}')
    assert bare("simulate", str(mocks)).code == 1
