"""Rehearsing without a server: cases of files played in this process, and what came of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import typer

from tenuto.cli.exits import Exit
from tenuto.cli.inputs import read_content, read_document
from tenuto.cli.output import complain, remark
from tenuto.cli.sources import SUFFIXES, Source, sources_of
from tenuto.errors import DefinitionInvalid, Invalid, Problem, TooLarge

if TYPE_CHECKING:
    from tenuto.wire.rehearsal import CaseFile, NamedCase, SimulationBody


LONGEST_LINE = 120
"""Differences that take more characters are shown line by line."""


class Script(NamedTuple):
    """A file of cases, and the definition that they are of."""

    source: Source
    file: CaseFile
    definition: Any


class Rehearsed(NamedTuple):
    """A case, and how it went: what a rehearsal answers, or the problems that kept it from being played."""

    file: str
    case: str
    told: dict[str, Any] | None
    problems: list[Problem]

    @property
    def is_ok(self) -> bool:
        """Whether it came to all that was expected."""
        return self.told is not None and bool(self.told["ok"])

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        head = {"file": self.file, "case": self.case, "ok": self.is_ok}
        if self.told is None:
            return {**head, "errors": [problem._asdict() for problem in self.problems]}
        return {**head, **self.told}


def read_scripts(names: Sequence[str], url: str) -> list[Script]:
    """The files of cases with these names. What cannot be read is a usage error that says where."""
    return [_script(source, name, url) for name in names for source in _sources(name)]


def rehearse_all(scripts: Sequence[Script], only: str | None) -> list[Rehearsed]:
    """Play every case whose name contains `only`, in order."""
    return asyncio.run(_rehearse_all(scripts, only))


def simulate(definition: Any, told: SimulationBody) -> dict[str, Any]:
    """What a crash, a failure and a timeout of each step do. Raises DefinitionInvalid, Invalid."""
    return asyncio.run(_simulate(definition, told))


def _sources(name: str) -> list[Source]:
    try:
        return sources_of(name, read_content(name))
    except (Invalid, TooLarge) as error:
        raise typer.BadParameter(f"{'standard input' if name == '-' else name}: {error}") from None


def _script(source: Source, name: str, url: str) -> Script:
    from tenuto.wire.rehearsal import read_case_file

    try:
        file = read_case_file(source.document)
    except Invalid as invalid:
        complain(f"{source.name} is no file of cases:")
        for line in placed(source, invalid.problems):
            remark(f"  {line}")
        raise typer.Exit(Exit.USAGE) from None
    return Script(source, file, _definition(file.workflow, Path(name).parent, url))


def _definition(workflow: str | dict[str, Any], folder: Path, url: str) -> Any:
    if not isinstance(workflow, str):
        return workflow
    if workflow.endswith(SUFFIXES):
        return read_document(str(folder / workflow))
    from tenuto.cli.connection import workflow_on

    with workflow_on(url, workflow) as (client, workflow_id, version):
        return client.get_workflow(workflow_id, version).definition


def placed(source: Source, problems: Sequence[Problem]) -> list[str]:
    """The problems, with the line in which each stands."""
    places = source.places_of([problem.path for problem in problems])
    return [
        f"{f'line {place.line}: ' if place else ''}{problem.path}: {problem.message}".replace(": : ", ": ")
        for place, problem in zip(places, problems, strict=True)
    ]


async def _rehearse_all(scripts: Sequence[Script], only: str | None) -> list[Rehearsed]:
    from tenuto.bootstrap import Settings
    from tenuto.bootstrap.server import make_engine

    played: list[Rehearsed] = []
    async with make_engine(Settings(database="memory:", script_workers=1)) as engine:
        for script in scripts:
            for number, case in enumerate(script.file.cases):
                if only is None or only in case.name:
                    played.append(await _rehearse(engine.node.rehearsals, script, number, case))
    return played


async def _rehearse(rehearsals: Any, script: Script, number: int, case: NamedCase) -> Rehearsed:
    name = script.source.name
    try:
        told = await rehearsals.rehearse(case, definition=script.definition)
    except DefinitionInvalid as invalid:
        problems = [problem._replace(path=f"workflow: {problem.path}") for problem in invalid.problems]
        return Rehearsed(name, case.name, None, problems)
    except Invalid as invalid:
        problems = [problem._replace(path=f"cases[{number}].{problem.path}") for problem in invalid.problems]
        return Rehearsed(name, case.name, None, problems)
    return Rehearsed(name, case.name, told, [])


async def _simulate(definition: Any, told: SimulationBody) -> dict[str, Any]:
    from tenuto.bootstrap import Settings
    from tenuto.bootstrap.server import make_engine

    async with make_engine(Settings(database="memory:", script_workers=1)) as engine:
        return await engine.node.rehearsals.simulate(told, definition)


def difference(expectation: dict[str, Any]) -> list[str]:
    """What was expected and what is so: in one line, or line by line where they are long."""
    expected, actual = expectation["expected"], expectation["actual"]
    in_line = f"{expectation['what']}: expected {_short(expected)}, got {_short(actual)}"
    if len(in_line) <= LONGEST_LINE:
        return [in_line]
    from difflib import unified_diff

    lines = unified_diff(_long(expected), _long(actual), "expected", "got", lineterm="", n=2)
    return [f"{expectation['what']}:", *(f"  {line}" for line in lines if not line.startswith("@@"))]


def _short(value: Any) -> str:
    """A text that is no JSON is plain: most are statuses and sentences."""
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()


def _long(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines()
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode().splitlines()
