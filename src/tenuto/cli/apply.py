"""`tenuto apply`: what is registered made to be what the files say, all of it or, if anything is wrong, nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tenuto.cli.exits import Exit
from tenuto.cli.options import DEFAULT_URL, Format, Output, Url

if TYPE_CHECKING:
    from tenuto.cli.sources import Source
    from tenuto.client import SyncClient
    from tenuto.errors import Problem
    from tenuto.wire.yaml import Place

MOST_LISTED = 1_000
"""How many workflows a server lists at most."""


class Wrong(NamedTuple):
    """A problem, in which file and where in it."""

    file: str
    place: Place | None
    problem: Problem

    def sentence(self) -> str:
        """`shop.yaml:12:5: steps[3].timeout: Expected …`"""
        at = f":{self.place.line}:{self.place.column}" if self.place else ""
        path = f" {self.problem.path}:" if self.problem.path else ""
        return f"{self.file}{at}:{path} {self.problem.message}"

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        line, column = self.place or (None, None)
        return {"file": self.file, "line": line, "column": column, **self.problem._asdict()}


class Change(NamedTuple):
    """What became, or would become, of one workflow."""

    file: str | None
    workflow_id: str
    version: int | None
    change: str

    def sentence(self) -> str:
        """`shop@3 new version (shop.yaml)`"""
        version = "" if self.version is None else f"@{self.version}"
        return f"{self.workflow_id}{version} {self.change}" + (f" ({self.file})" if self.file else "")

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {
            "file": self.file,
            "workflowId": self.workflow_id,
            "version": self.version,
            "change": self.change,
        }


def apply(
    files: Annotated[
        list[str],
        typer.Option(
            "--file",
            "-f",
            metavar="FILE|FOLDER",
            help="A definition, a file of several, or a folder with them; may be given again.",
            show_default=False,
        ),
    ],
    *,
    prune: Annotated[
        bool, typer.Option("--prune", help="Archive every workflow that is not among the files.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before pruning.")] = False,
    url: Url = DEFAULT_URL,
    output: Output = None,
) -> None:
    """Register all definitions in files and folders.

    All are checked first, by the server: if one has a problem, nothing is registered. Doing it again changes nothing.

    [dim]Examples:[/dim]

      tenuto apply -f workflows/

      tenuto apply -f workflows/ --prune --dry-run
    """
    from tenuto.cli.connection import connect
    from tenuto.cli.output import chosen, write, write_json

    is_json = chosen(output) is Format.JSON
    sources, wrong = _read(files)
    wrong += _checked(sources, url)
    if wrong:
        _leave_wrong(wrong, is_json)
    changes: list[Change] = []
    with connect(url) as client:
        doomed = _not_among(client, sources) if prune else []
        if doomed and not (dry_run or yes):
            _confirm(doomed)
        for change in _changes(client, sources, doomed, dry_run):
            changes.append(change)
            if not is_json:
                write(change.sentence())
    if is_json:
        write_json({"dryRun": dry_run, "changes": [change.as_data() for change in changes], "errors": []})


def _changes(
    client: SyncClient, sources: Sequence[Source], doomed: Sequence[str], dry_run: bool
) -> Iterator[Change]:
    for source in sources:
        yield _foreseen(client, source) if dry_run else _registered(client, source)
    for workflow_id in doomed:
        if not dry_run:
            client.archive_workflow(workflow_id)
        yield Change(None, workflow_id, None, "archived")


def _read(names: Sequence[str]) -> tuple[list[Source], list[Wrong]]:
    """All documents in the files, and what cannot be read as one. No document at all is a usage error."""
    from tenuto.cli.inputs import read_content
    from tenuto.cli.sources import files_below, sources_of
    from tenuto.errors import Invalid, Problem, TooLarge

    sources: list[Source] = []
    wrong: list[Wrong] = []
    for name in dict.fromkeys(files_below(names)):
        try:
            sources += sources_of(name, read_content(name))
        except Invalid as error:
            wrong += [Wrong(name, None, problem) for problem in error.problems]
        except TooLarge as error:
            wrong.append(Wrong(name, None, Problem("", "too_large", str(error))))
    if not sources and not wrong:
        raise typer.BadParameter(f"there is no definition (.json, .yaml, .yml) in {', '.join(names)}")
    return sources, wrong


def _checked(sources: Sequence[Source], url: str) -> list[Wrong]:
    """What the server finds wrong, and ids that two documents have."""
    from tenuto.cli.checking import check_there
    from tenuto.errors import Problem

    wrong: list[Wrong] = []
    first: dict[str, str] = {}
    checks = check_there([(source.name, source.document) for source in sources], url)
    for source, check in zip(sources, checks, strict=True):
        problems = list(check.problems)
        workflow_id = source.document.get("id") if isinstance(source.document, dict) else None
        if isinstance(workflow_id, str) and first.setdefault(workflow_id, source.name) != source.name:
            message = f"The workflow `{workflow_id}` is in {first[workflow_id]} already."
            problems.append(Problem("id", "duplicate_id", message))
        places = source.places_of([problem.path for problem in problems]) if problems else []
        wrong += [Wrong(source.name, place, problem) for place, problem in zip(places, problems, strict=True)]
    return wrong


def _leave_wrong(wrong: Sequence[Wrong], is_json: bool) -> None:
    from tenuto.cli.output import complain, write_json

    if is_json:
        write_json({"dryRun": False, "changes": [], "errors": [each.as_data() for each in wrong]})
    else:
        count = f"{len(wrong)} problem{'' if len(wrong) == 1 else 's'}"
        complain("\n".join([f"{count}; nothing was applied.", *(each.sentence() for each in wrong)]))
    raise typer.Exit(Exit.FAILED)


def _registered(client: SyncClient, source: Source) -> Change:
    is_known = _newest(client, source.document["id"]) is not None
    registered = client.register(source.document)
    change = "unchanged" if not registered.created else "new version" if is_known else "created"
    return Change(source.name, registered.workflow_id, registered.version, change)


def _foreseen(client: SyncClient, source: Source) -> Change:
    """What registering would do."""
    import msgspec

    from tenuto.core.canonical import canonical_json
    from tenuto.core.definition import Definition
    from tenuto.wire.definitions import parse_definition

    workflow_id = source.document["id"]
    newest = _newest(client, workflow_id)
    if newest is None:
        return Change(source.name, workflow_id, None, "created")
    there = canonical_json(msgspec.convert(newest.definition, Definition, strict=False))
    if parse_definition(source.document, frozenset()).canonical == there:
        return Change(source.name, workflow_id, newest.version, "unchanged")
    return Change(source.name, workflow_id, None, "new version")


def _newest(client: SyncClient, workflow_id: str) -> Any:
    from tenuto.client import ApiError

    try:
        return client.get_workflow(workflow_id)
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def _not_among(client: SyncClient, sources: Iterable[Source]) -> list[str]:
    """The workflows that no file has. Raises Exit where the server has more than it lists."""
    from tenuto.cli.output import complain

    listed = [workflow.id for workflow in client.list_workflows()]
    if len(listed) >= MOST_LISTED:
        complain(f"--prune cannot see all workflows: a server lists {MOST_LISTED:,}. Nothing was applied.")
        raise typer.Exit(Exit.REFUSED)
    kept = {source.document["id"] for source in sources}
    return [workflow_id for workflow_id in listed if workflow_id not in kept]


def _confirm(doomed: Sequence[str]) -> None:
    """Ask before archiving, where somebody is there to answer."""
    if not sys.stdin.isatty():
        return
    typer.echo(f"These {len(doomed)} workflows are not among the files:", err=True)
    for workflow_id in doomed:
        typer.echo(f"  {workflow_id}", err=True)
    typer.confirm("Archive them?", abort=True, err=True)
