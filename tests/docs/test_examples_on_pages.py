"""What the pages show is what happens: definitions are checked, commands run, programs run, pictures drawn again."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenuto.core.params import BUILT_IN
from tenuto.ports.script import Script
from tenuto.scripting.engine import QuickJsEngine
from tenuto.wire.definitions import parse_definition
from tenuto.wire.schedules import read_schedule
from tests.docs.console import agree, examples_of, run
from tests.docs.pages import PAGES, blocks_of, name_of
from tests.docs.pictures import FOLDER, draw, redrawn

NOT_OURS = {"docs/api.md", "examples/README.md"}
"""Pages whose examples other suites run."""

IDS = [name_of(page) for page in PAGES]
EXECUTORS = {"reserve-stock", "price", "resize", "ship"}
"""Actions that examples name and a user's program would serve."""


def definition_of(block: str) -> Any:
    """The example as a whole workflow: it may be one, or some of its steps."""
    example = json.loads(block)
    if isinstance(example, dict) and "steps" in example:
        return {"id": "example", **example}
    return {"id": "example", "steps": example if isinstance(example, list) else [example]}


def is_schedule(block: str) -> bool:
    """Whether the example says when a workflow is started, and not what one does."""
    example = json.loads(block)
    return isinstance(example, dict) and "workflowId" in example


@pytest.mark.parametrize("page", PAGES, ids=IDS)
async def test_every_json_example_is_a_workflow_that_can_be_registered(page: Path) -> None:
    scripts = QuickJsEngine(1)
    try:
        for block in blocks_of(page):
            if block.language == "json":
                if is_schedule(block.text):
                    read_schedule(json.loads(block.text))
                    continue
                parsed = parse_definition(definition_of(block.text), frozenset(BUILT_IN) | EXECUTORS)
                assert [str(warning) for warning in parsed.warnings if "doubt" not in block.comment] == []
                for path, kind, source in parsed.scripts:
                    assert await scripts.check(Script(kind, source)) is None, path
    finally:
        await scripts.close()


@pytest.mark.parametrize("page", [page for page in PAGES if name_of(page) not in NOT_OURS], ids=name_of)
def test_commands_write_what_the_page_shows(
    page: Path, server_url: str, tenuto: Callable[..., str], tmp_path: Path
) -> None:
    for block in blocks_of(page):
        if block.comment.startswith("file: "):
            (tmp_path / block.comment.removeprefix("file: ")).write_text(block.text)
        if block.language != "console" or not block.is_run:
            continue
        for command, shown in examples_of(block.text):
            written = run(command, server_url, tenuto)
            assert agree(shown, written), f"$ {command}\n{written}\n-- but the page shows --\n{shown}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_programs_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number, block in enumerate(blocks_of(page)):
        if block.language != "python":
            continue
        program = tmp_path / f"program_{number}.py"
        program.write_text(block.text)
        if block.is_run and name_of(page) not in {"docs/actions.md", "docs/webhooks.md"}:
            runpy.run_path(str(program), run_name="__main__")
        else:
            compile(block.text, name_of(page), "exec")


def test_the_pictures_are_what_is_drawn_now() -> None:
    for name, drawn in draw().items():
        assert (FOLDER / name).read_text() == drawn, "draw it anew: python -m tests.docs.pictures"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_the_examples_that_a_page_draws_look_as_they_do_now(page: Path) -> None:
    assert redrawn(page) == page.read_text(), "draw them anew: python -m tests.docs.pictures"
