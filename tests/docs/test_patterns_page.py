"""The page of the control-flow patterns has all of them, with the files they are written in and today's pictures."""

from __future__ import annotations

import re

from tests.docs.pages import links_of
from tests.patterns.examples import COUNT, DEFINITIONS, FOLDER
from tests.patterns.page import PAGE, drawn, names_of_pictures

TEXT = PAGE.read_text()
SECTIONS = {
    int(section.partition(".")[0]): section
    for section in re.split(r"^### ", TEXT.partition("## Basic")[2], flags=re.MULTILINE)[1:]
}


def test_every_pattern_has_a_section() -> None:
    assert sorted(SECTIONS) == list(range(1, COUNT + 1))


def test_every_section_leads_to_its_files_and_draws_one_of_them() -> None:
    for file in DEFINITIONS:
        section = SECTIONS[int(file.name[:2])]
        files = {found.name for found in FOLDER.glob(f"{file.name[:2]}-*.json")}
        assert {name for name in files if f"(../examples/patterns/{name})" in section} == files
        assert [name for name in names_of_pictures(section) if f"{name}.json" in files] != []


def test_no_picture_is_of_yesterday() -> None:
    assert drawn(TEXT) == TEXT, "run: python -m tests.patterns.page"


def test_every_pattern_is_said_to_be_written_in_one_way() -> None:
    rows = re.findall(r"^\| (?:written|by|nearly).*\| (.*) \|$", TEXT, re.MULTILINE)
    told: list[int] = []
    for row in rows:
        for first, last in re.findall(r"(?<![\w(#-])(\d+)(?:–(\d+))?", re.sub(r"\]\([^)]*\)", "]", row)):
            told += range(int(first), int(last or first) + 1)
    assert sorted(told) == list(range(1, COUNT + 1))


def test_links_of_the_page_are_relative_or_of_the_patterns() -> None:
    outside = [link for link in links_of(PAGE) if "://" in link]
    assert outside == ["http://www.workflowpatterns.com/patterns/control"]
