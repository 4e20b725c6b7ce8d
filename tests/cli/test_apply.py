from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ONE = "id: {id}\nname: {name}\nsteps:\n  - id: a\n"


def put(file: Path, text: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def yaml_of(workflow_id: str, name: str = "first") -> str:
    return ONE.format(id=workflow_id, name=name)


def test_all_definitions_below_a_folder_are_registered_and_doing_it_again_changes_nothing(
    run: Run, tmp_path: Path
) -> None:
    one = put(tmp_path / "b" / "one.yml", yaml_of("ap-one"))
    many = put(tmp_path / "many.yaml", f"# two\n{yaml_of('ap-two')}---\n{yaml_of('ap-three')}---\n")
    other = put(tmp_path / "z.json", '{"id": "ap-json", "steps": [{"id": "a"}]}')
    put(tmp_path / ".hidden" / "no.yaml", "{")
    put(tmp_path / "README.md", "no definition")
    first = run("apply", "-f", str(tmp_path))
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines() == [
        f"ap-two@1 created ({many}#1)",
        f"ap-three@1 created ({many}#2)",
        f"ap-json@1 created ({other})",
        f"ap-one@1 created ({one})",
    ]
    again = run("apply", "-f", str(tmp_path), "-f", one)
    assert [line.split()[1] for line in again.out.splitlines()] == ["unchanged"] * 4


def test_a_dry_run_says_what_would_change_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "same.yaml", yaml_of("dry-same"))
    put(tmp_path / "other.yaml", yaml_of("dry-other"))
    run("apply", "-f", str(tmp_path))
    put(tmp_path / "other.yaml", yaml_of("dry-other", "second"))
    put(tmp_path / "new.yaml", yaml_of("dry-new"))
    for _ in range(2):
        ran = run("apply", "-f", str(tmp_path), "--dry-run", "-o", "json")
        assert [(each["workflowId"], each["version"], each["change"]) for each in ran.json["changes"]] == [
            ("dry-new", None, "created"),
            ("dry-other", None, "new version"),
            ("dry-same", 1, "unchanged"),
        ]
    done = run("apply", "-f", str(tmp_path))
    assert [line.partition(" (")[0] for line in done.out.splitlines()] == [
        "dry-new@1 created",
        "dry-other@2 new version",
        "dry-same@1 unchanged",
    ]


def test_nothing_is_applied_if_one_is_wrong_and_every_problem_has_its_place(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "good.yaml", yaml_of("wr-good"))
    bad = put(
        tmp_path / "bad.yaml",
        f"{yaml_of('wr-fine')}---\nid: wr-bad\nsteps:\n  - id: a\n    timeout: 1s\n  - id: b\n    dependencies: [c]\n",
    )
    syntax = put(tmp_path / "syntax.yaml", "id: wr\nid: wr\n")
    twice = put(tmp_path / "twice.json", '{\n "steps": [{"id": "a"}],\n "id": "wr-good"\n}')
    ran = run("apply", "-f", str(tmp_path))
    assert (ran.code, ran.out) == (1, "")
    told = ran.err.splitlines()
    assert told[0] == "Error: 4 problems; nothing was applied."
    assert told[1] == f'{syntax}: Line 2, column 1: the key "id" appears twice; keep one of them.'
    assert told[2].startswith(f"{bad}#2:9:5: steps[0].timeout: Expected")
    assert told[3].startswith(f"{bad}#2:11:20: steps[1].dependencies[0]:")
    assert told[4] == f"{twice}:3:2: id: The workflow `wr-good` is in {tmp_path / 'good.yaml'} already."
    assert "wr-" not in run("workflows").out
    as_json = run("apply", "-f", str(tmp_path), "-o", "json")
    assert as_json.code == 1
    assert [(each["line"], each["path"]) for each in as_json.json["errors"]] == [
        (None, ""),
        (9, "steps[0].timeout"),
        (11, "steps[1].dependencies[0]"),
        (3, "id"),
    ]


@pytest.fixture
def two(run: Run, tmp_path: Path) -> str:
    """A folder with one of the workflows that the server has; the other file is gone."""
    put(tmp_path / "stay.yaml", yaml_of("pr-stay"))
    gone = put(tmp_path / "gone.yaml", yaml_of("pr-gone"))
    assert run("apply", "-f", str(tmp_path)).code == 0
    Path(gone).unlink()
    return str(tmp_path)


def has(run: Run, workflow_id: str) -> bool:
    return workflow_id in run("workflows", "-o", "json").out


def test_pruning_archives_what_no_file_has(run: Run, two: str) -> None:
    foreseen = run("apply", "-f", two, "--prune", "--dry-run")
    assert "pr-gone archived" in foreseen.out.splitlines()
    assert has(run, "pr-gone")
    done = run("apply", "-f", two, "--prune", "--yes")
    assert "pr-gone archived" in done.out.splitlines()
    assert (has(run, "pr-gone"), has(run, "pr-stay")) == (False, True)


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def test_a_person_is_asked_before_anything_is_pruned(
    run: Run, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(Path(two) / "new.yaml", yaml_of("pr-new"))
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    ran = run("apply", "-f", two, "--prune")
    assert ran.code == 1
    assert "pr-gone" in ran.err
    assert (has(run, "pr-gone"), has(run, "pr-new")) == (True, False)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert run("apply", "-f", two, "--prune").code == 0
    assert (has(run, "pr-gone"), has(run, "pr-new")) == (False, True)


def test_a_folder_without_definitions_is_a_usage_error_that_prunes_nothing(run: Run, tmp_path: Path) -> None:
    ran = run("apply", "-f", str(tmp_path), "--prune", "--yes")
    assert ran.code == 2
    assert "no definition" in ran.err
    assert run("apply", "-f", str(tmp_path / "nowhere")).code == 2


def test_without_a_server_nothing_is_done(bare: Run, dead_url: str, tmp_path: Path) -> None:
    assert bare("apply", "-f", put(tmp_path / "w.yaml", yaml_of("w")), "--url", dead_url).code == 3


def test_other_commands_take_yaml_too(run: Run, bare: Run, tmp_path: Path) -> None:
    file = put(tmp_path / "two.yaml", f"{yaml_of('ya-one')}---\n{yaml_of('ya-two')}")
    assert bare("validate", file).out.splitlines() == [f"{file}#1: valid", f"{file}#2: valid"]
    assert run("register", file).out.splitlines() == ["ya-one@1 registered", "ya-two@1 registered"]
    one = put(tmp_path / "one.yml", yaml_of("ya-one"))
    assert "ya-one" in bare("graph", one, "--format", "json").out
    context = put(tmp_path / "context.yaml", "number: 012\n")
    ran = run("start", "ya-one", "--context", f"@{context}", "--wait", "-o", "json")
    assert ran.json["context"]["number"] == "012"


def test_standard_input_may_be_either(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (yaml_of("w"), '{"id": "w", "steps": [{"id": "a"}]}'):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert bare("validate", "-").out == "standard input: valid\n"
