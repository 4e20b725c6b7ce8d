from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.cli.definitions import FAILING, INVALID, QUICK, write

SUM_APP = """
import tenuto
engine = tenuto.Engine()
@engine.executor("add-up")
def add_up(params, context):
    return 1
"""


def test_registering_names_each_version_and_what_changed(run: Run, tmp_path: Path) -> None:
    definition = QUICK | {"id": "versions"}
    [file] = write(tmp_path, definition)
    assert run("register", file).out == "versions@1 registered\n"
    assert run("register", file).out == "versions@1 unchanged\n"
    write(tmp_path, definition | {"name": "Another"})
    assert run("register", file).out == "versions@2 registered\n"


def test_registering_several_answers_all_as_json(run: Run, tmp_path: Path) -> None:
    ran = run("register", *write(tmp_path, QUICK, FAILING), "-o", "json")
    assert [answer["workflowId"] for answer in ran.json] == ["quick", "failing"]


def test_an_invalid_definition_is_refused_with_every_problem_and_the_rest_is_registered(
    run: Run, tmp_path: Path
) -> None:
    ran = run("register", *write(tmp_path, INVALID, QUICK))
    assert ran.code == 1
    assert "invalid.json" in ran.err
    assert "steps[0].dependencies[0]" in ran.err
    assert "steps[0].retryPolicy.maxAttempts" in ran.err
    assert "quick@1" in ran.out


def test_a_file_that_is_not_json_is_a_usage_error_with_the_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"id": }')
    ran = run("register", str(tmp_path / "bad.json"))
    assert ran.code == 2
    assert "column 8" in " ".join(ran.err.split())


def test_validating_needs_no_server(bare: Run, dead_url: str, tmp_path: Path) -> None:
    ran = bare("validate", *write(tmp_path, QUICK), "--url", dead_url)
    assert (ran.code, ran.out.endswith("quick.json: valid\n")) == (0, True)


def test_validating_shows_every_problem(bare: Run, tmp_path: Path) -> None:
    ran = bare("validate", *write(tmp_path, INVALID, QUICK))
    assert ran.code == 1
    assert "invalid.json: 2 problems" in ran.err
    assert "steps[0].retryPolicy.maxAttempts: " in ran.err
    assert "quick.json: valid" in ran.out


def test_validating_answers_as_json(bare: Run, tmp_path: Path) -> None:
    ran = bare("validate", *write(tmp_path, INVALID, QUICK), "-o", "json")
    assert ran.code == 1
    assert [check["valid"] for check in ran.json] == [False, True]
    assert {error["path"] for error in ran.json[0]["errors"]} == {
        "steps[0].dependencies[0]",
        "steps[0].retryPolicy.maxAttempts",
    }


def test_scripts_that_do_not_parse_are_found_without_a_server(bare: Run, tmp_path: Path) -> None:
    script = {"id": "script", "steps": [{"id": "a", "action": "transform", "params": {"code": "return ("}}]}
    ran = bare("validate", *write(tmp_path, script))
    assert ran.code == 1
    assert "steps[0].params.code" in ran.err


def test_an_action_that_nobody_serves_is_a_warning_unless_the_app_serves_it(
    bare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sum_app.py").write_text(SUM_APP)
    files = write(tmp_path, {"id": "sum", "steps": [{"id": "a", "action": "add-up"}]})
    without = bare("validate", *files)
    assert (without.code, "warning: steps[0].action" in without.err) == (0, True)
    assert "warning" not in bare("validate", *files, "--app", "sum_app:engine").err


def test_the_server_validates_when_it_is_asked_to(run: Run, tmp_path: Path) -> None:
    ran = run("validate", "--remote", *write(tmp_path, INVALID, QUICK))
    assert ran.code == 1
    assert "invalid.json: 2 problems" in ran.err
    assert "quick.json: valid" in ran.out


def test_workflows_are_listed_with_their_newest_version(run: Run, tmp_path: Path) -> None:
    run("register", *write(tmp_path, QUICK | {"id": "listed", "name": "Listed One"}))
    [heading, row] = run("workflows", "listed").out.splitlines()
    assert heading.split() == ["WORKFLOW", "VERSION", "STEPS", "NAME"]
    assert row.split() == ["listed", "1", "2", "Listed", "One"]
    assert [workflow["id"] for workflow in run("workflows", "listed", "-o", "json").json] == ["listed"]


def test_a_dag_in_a_file_is_drawn_without_a_server(bare: Run, tmp_path: Path) -> None:
    [file] = write(tmp_path, QUICK)
    drawn = bare("graph", file)
    assert drawn.code == 0
    assert "first" in drawn.out
    assert "▼" in drawn.out
    assert "-->" in bare("graph", file, "--format", "mermaid").out
    assert "digraph" in bare("graph", file, "--format", "dot").out
    assert ElementTree.fromstring(bare("graph", file, "-f", "svg").out).tag.endswith("svg")
    assert [node["id"] for node in bare("graph", file, "-f", "json").json["nodes"]] == ["first", "second"]


@pytest.mark.parametrize("form", ["terminal", "mermaid", "dot", "svg", "json"])
def test_a_registered_dag_is_drawn_as_its_file_is(run: Run, tmp_path: Path, form: str) -> None:
    [file] = write(tmp_path, QUICK | {"id": f"drawn-{form}"})
    run("register", file)
    assert run("graph", f"drawn-{form}", "-f", form).out == run("graph", file, "-f", form).out


def test_an_older_version_is_drawn_by_its_number(run: Run, tmp_path: Path) -> None:
    definition = QUICK | {"id": "redrawn"}
    [file] = write(tmp_path, definition)
    run("register", file)
    write(tmp_path, definition | {"steps": [{"id": "only"}]})
    run("register", file)
    assert "second" in run("graph", "redrawn@1").out
    assert "second" not in run("graph", "redrawn").out


def test_a_dag_with_problems_is_not_drawn(bare: Run, tmp_path: Path) -> None:
    ran = bare("graph", *write(tmp_path, INVALID))
    assert ran.code == 1
    assert "nosuch" in ran.err


def test_a_dag_of_a_file_that_is_not_there_is_not_looked_for_elsewhere(bare: Run) -> None:
    ran = bare("graph", "nosuch.json")
    assert ran.code == 4
    assert "no file nosuch.json" in ran.err


def test_a_name_like_that_of_a_workflow_is_suggested(run: Run, tmp_path: Path) -> None:
    run("register", *write(tmp_path, QUICK | {"id": "order-flow-7"}))
    for arguments in (["start", "oder-flow-7"], ["graph", "oder-flow-7"]):
        ran = run(*arguments)
        assert ran.code == 4
        assert "Did you mean order-flow-7" in ran.err


def test_json_is_written_as_it_is(run: Run, tmp_path: Path) -> None:
    run("register", *write(tmp_path, QUICK | {"id": "umlaut", "name": "Größe ✓"}))
    out = run("workflows", "umlaut", "-o", "json").out
    assert "Größe ✓" in out
    assert msgspec.json.decode(out)[0]["name"] == "Größe ✓"
