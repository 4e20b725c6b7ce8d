"""The pages that users read, and what stands in them: code blocks with the comment above them, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "examples" / "README.md"],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)

_BLOCK = re.compile(
    r"(?:^[ ]*<!-- (?P<comment>[^>]*?) -->\n+)?^(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """One fenced block: its language, its text, and what an HTML comment right above it says (`file: x.json`, `not
    run: why`)."""

    language: str
    text: str
    comment: str

    @property
    def is_run(self) -> bool:
        """Whether nobody said that it cannot be run."""
        return not self.comment.startswith("not run")


def name_of(page: Path) -> str:
    """The page's path from the top of the project."""
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    """A page by its path from the top of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks_of(page: Path) -> list[Block]:
    """Its code blocks, in order."""
    return [
        Block(found["language"], _outdented(found["text"], found["indent"]), found["comment"] or "")
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def prose_of(page: Path) -> str:
    """Its text without code blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def code_spans(page: Path) -> list[str]:
    """What stands in backticks, outside code blocks."""
    return re.findall(r"`([^`\n]+)`", prose_of(page))


def links_of(page: Path) -> Iterator[str]:
    """Where its links and pictures lead."""
    for found in _LINK.finditer(re.sub(r"`[^`\n]*`", "", prose_of(page))):
        yield found[1] or found[2]


def anchors_of(page: Path) -> set[str]:
    """What a link to the page may name behind `#`: its headings, as GitHub names them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        anchors.add(words.strip().replace(" ", "-"))
    return anchors


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the rows of the first table under a heading (its head left out)."""
    section = re.split(rf"^#+ {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)
    assert len(section) == 2, f"there is no heading {heading!r}"
    rows: list[list[str]] = []
    for line in section[1].splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]


def _outdented(text: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
