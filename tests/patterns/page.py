"""The pictures on the page of the patterns, drawn as `tenuto graph` draws them. `python -m tests.patterns.page` puts
those of today in their places."""

from __future__ import annotations

import re
from pathlib import Path

from tenuto.cli.graphs import of_file
from tenuto.cli.options import GraphFormat
from tests.patterns.examples import FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "patterns.md"

_PICTURE = re.compile(r"^<!-- picture: (\S+) -->\n(?:```mermaid\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def drawn(text: str) -> str:
    """The page with every picture drawn anew."""
    return _PICTURE.sub(lambda place: f"<!-- picture: {place[1]} -->\n{_picture(place[1])}", text)


def names_of_pictures(text: str) -> list[str]:
    """What is drawn, in the order of the page."""
    return _PICTURE.findall(text)


def _picture(name: str) -> str:
    return f"```mermaid\n{of_file(str(FOLDER / f'{name}.json'), GraphFormat.MERMAID)}```\n"


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
