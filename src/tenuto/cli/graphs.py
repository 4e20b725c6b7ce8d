"""DAGs for `tenuto graph`: of a definition in a file, of a registered workflow, of an execution with its statuses.

The server draws Mermaid, DOT and SVG; what is drawn for this terminal, or from a file, is drawn here by the same code.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
from rich.text import Text

from tenuto.cli.connection import LATEST, execution_on, workflow_on
from tenuto.cli.inputs import read_document
from tenuto.cli.options import GraphFormat
from tenuto.cli.signs import look
from tenuto.client import SyncClient
from tenuto.core import drawing
from tenuto.core.apply import apply
from tenuto.core.definition import Definition
from tenuto.core.drawing.parts import GLYPHS
from tenuto.core.events import AnyEvent
from tenuto.core.graph import Graph
from tenuto.core.state import State
from tenuto.errors import NotFound
from tenuto.wire.definitions import parse_definition

NO_TERMINAL_WIDTH = 120


def of_file(name: str, form: GraphFormat) -> str:
    """The DAG of the definition in a file. Raises DefinitionInvalid."""
    graph = Graph(parse_definition(read_document(name), frozenset()).definition, 1)
    match form:
        case GraphFormat.TERMINAL:
            return _in_characters(graph)
        case GraphFormat.MERMAID:
            return drawing.mermaid(graph)
        case GraphFormat.DOT:
            return drawing.dot(graph)
        case GraphFormat.SVG:
            return drawing.svg(graph)
        case GraphFormat.JSON:
            return _json(drawing.data(graph))


def of_server(typed: str, form: GraphFormat, url: str) -> str:
    """The DAG of a registered workflow, or else of an execution. Raises NotFound."""
    if Path(typed).suffix in (".json", ".yaml", ".yml"):
        raise NotFound(f"There is no file {typed}.")
    try:
        if typed != LATEST:
            with workflow_on(url, typed) as (client, workflow_id, version):
                return of_workflow(client, workflow_id, version, form)
    except NotFound as no_workflow:
        try:
            with execution_on(url, typed) as (client, execution_id):
                return of_execution(client, execution_id, form)
        except NotFound as no_execution:
            raise (no_execution if "Did you mean" in str(no_execution) else no_workflow) from None
    with execution_on(url, typed) as (client, execution_id):
        return of_execution(client, execution_id, form)


def of_workflow(client: SyncClient, workflow_id: str, version: int | None, form: GraphFormat) -> str:
    """The DAG of a registered workflow. Raises ApiError (404)."""
    if form is GraphFormat.JSON:
        return _json(client.get_graph(workflow_id, version))
    if form is GraphFormat.TERMINAL:
        return _in_characters(_graph(client, workflow_id, version))
    return client.draw_graph(workflow_id, form.value, version)


def of_execution(client: SyncClient, execution_id: str, form: GraphFormat) -> str:
    """The DAG of an execution, each step with its status. Raises ApiError (404)."""
    if form is GraphFormat.JSON:
        return _json(client.visualize(execution_id))
    if form is GraphFormat.TERMINAL:
        execution = client.get(execution_id)
        graph = _graph(client, execution.workflow_id, execution.workflow_version)
        return _in_characters(graph, _state(graph, client, execution_id))
    return client.draw(execution_id, form.value)


def coloured(drawn: str) -> Text:
    """A DAG drawn in characters, its marks in the colours of their statuses and its lines dim."""
    text = Text(drawn, no_wrap=True, overflow="ignore")
    text.highlight_regex(r"[─│┌┐└┘├┤┬┴┼▼]", "dim")
    for status, glyph in GLYPHS.items():
        text.highlight_regex(re.escape(glyph), look(status).style)
    return text


def _graph(client: SyncClient, workflow_id: str, version: int | None) -> Graph:
    found = client.get_workflow(workflow_id, version)
    return Graph(msgspec.convert(found.definition, Definition), found.version)


def _state(graph: Graph, client: SyncClient, execution_id: str) -> State:
    """The execution's state, folded here from its journal as the server folds it."""
    state = State(graph)
    for entry in client.journal(execution_id):
        for event in entry.events:
            apply(state, msgspec.convert(event, AnyEvent), entry.at)
    return state


def _in_characters(graph: Graph, state: State | None = None) -> str:
    width = shutil.get_terminal_size((NO_TERMINAL_WIDTH, 24)).columns
    return "\n".join(drawing.terminal(graph, state, width))


def _json(data: object) -> str:
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
