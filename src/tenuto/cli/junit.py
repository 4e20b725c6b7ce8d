"""Rehearsed cases as JUnit XML, which systems for continuous integration read. Times are virtual, so the same files give
the same report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tenuto.cli.output import one_line
from tenuto.cli.rehearsing import Rehearsed, difference


def report(played: Sequence[Rehearsed]) -> bytes:
    """The XML document: a suite for each file."""
    root = Element("testsuites", {"name": "tenuto"})
    _count(root, played)
    for file, cases in groupby(played, key=lambda rehearsed: rehearsed.file):
        of_file = list(cases)
        suite = SubElement(root, "testsuite", {"name": one_line(file)})
        _count(suite, of_file)
        for rehearsed in of_file:
            _add(suite, rehearsed)
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _count(element: Element, played: Sequence[Rehearsed]) -> None:
    element.set("tests", str(len(played)))
    element.set(
        "failures", str(sum(not rehearsed.is_ok and rehearsed.told is not None for rehearsed in played))
    )
    element.set("errors", str(sum(rehearsed.told is None for rehearsed in played)))
    element.set("time", _seconds(sum(_duration(rehearsed) for rehearsed in played)))


def _add(suite: Element, rehearsed: Rehearsed) -> None:
    attributes = {
        "classname": one_line(rehearsed.file),
        "name": one_line(rehearsed.case),
        "time": _seconds(_duration(rehearsed)),
    }
    case = SubElement(suite, "testcase", attributes)
    if rehearsed.told is None:
        lines = [f"{problem.path}: {problem.message}" for problem in rehearsed.problems]
        _explain(case, "error", "it could not be played", lines)
    elif not rehearsed.is_ok:
        failed = [expectation for expectation in rehearsed.told["expectations"] if not expectation["ok"]]
        lines = [line for expectation in failed for line in difference(expectation)]
        _explain(case, "failure", f"{len(failed)} of what was expected is not so", lines)


def _explain(case: Element, kind: str, message: str, lines: Sequence[str]) -> None:
    SubElement(case, kind, {"message": message}).text = "\n".join(one_line(line) for line in lines)


def _duration(rehearsed: Rehearsed) -> int:
    return 0 if rehearsed.told is None else int(rehearsed.told["duration"])


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"
