"""`python -m tests.docs.pictures` draws the pictures of the pages anew: the workflow of the demo, the execution that the
README shows, from its recorded journal, and the examples that pages have drawn (`picture: x.json`) where they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from tenuto.cli.demo import documents
from tenuto.core import drawing
from tenuto.core.apply import apply
from tenuto.core.definition import Definition
from tenuto.core.events import AnyEvent
from tenuto.core.graph import Graph
from tenuto.core.state import State
from tests.docs.pages import PAGES, ROOT, blocks_of

FOLDER = ROOT / "docs" / "images"
JOURNAL = ROOT / "tests" / "docs" / "quote_journal.json"
"""What `GET /executions/{executionId}/journal` answered."""

_PICTURE = re.compile(r"^<!-- picture: (\S+\.json) -->\n(?:```mermaid\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def draw() -> dict[str, str]:
    """Each picture by the name of its file."""
    (quote,) = (block for block in blocks_of(ROOT / "README.md") if block.comment == "file: quote.json")
    state = State(_graph(json.loads(quote.text)))
    for entry in json.loads(JOURNAL.read_text()):
        for event in entry["events"]:
            apply(state, msgspec.convert(event, AnyEvent), entry["at"])
    return {
        "quote-result.svg": drawing.svg(state.graph, state),
        "order-fulfilment.svg": drawing.svg(_graph(documents.load("order-fulfilment"))),
    }


def redrawn(page: Path) -> str:
    """The page with the examples drawn that it wants drawn."""
    files = {block.comment.removeprefix("file: "): block.text for block in blocks_of(page)}

    def picture(place: re.Match[str]) -> str:
        drawn = drawing.mermaid(_graph(json.loads(files[place[1]])))
        return f"<!-- picture: {place[1]} -->\n```mermaid\n{drawn}```\n"

    return _PICTURE.sub(picture, page.read_text())


def _graph(document: dict[str, Any]) -> Graph:
    return Graph(msgspec.convert(document, Definition), 1)


if __name__ == "__main__":
    for name, drawn in draw().items():
        (FOLDER / name).write_text(drawn)
    for page in PAGES:
        text = redrawn(page)
        if text != page.read_text():
            page.write_text(text)
