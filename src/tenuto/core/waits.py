"""What can be said of steps that wait for people and other systems: signals of one name have one schema, and a wait
without any bound may never end."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tenuto.core.definition import AtLeast
from tenuto.core.finding import Finding
from tenuto.core.outline import Outline, Place
from tenuto.core.params import has_template
from tenuto.core.path import path_text
from tenuto.core.whole import Whole

_FOR_WHAT = {"signal.wait": "a signal", "approval": "an approval"}


def check_signals(whole: Whole) -> Iterator[Finding]:
    """Steps that wait for signals of one name and expect different things of it."""
    first: dict[str, Place] = {}
    for place in whole.steps:
        params = place.spec.params
        name = params.get("name")
        if place.spec.action != "signal.wait" or not isinstance(name, str) or has_template(name):
            continue
        known = first.setdefault(name, place)
        if known.spec.params.get("schema") != params.get("schema"):
            where = path_text(known.path)
            message = f"{where} waits for `{name}` too, with another `schema`; signals of one name have one."
            yield Finding((*place.path, "params", "schema"), "conflict", message)


def check_bounds(whole: Whole) -> Iterator[Finding]:
    """A doubt for each wait that nothing ends: no timeout of its own, of the step, of what holds it, or of the
    workflow, and no join that gives it up when something else has come."""
    if whole.definition.timeout:
        return
    for block in whole.blocks:
        endless = {i: what for i in range(len(block.steps)) if (what := _endless(Place(block, i)))}
        for i in endless.keys() - _given_up(block, endless):
            step, waits_for = block.steps[i], endless[i]
            own = "a `timeout` in its params, or a `totalTimeout`"
            message = (
                f"`{step.id}` may wait for {waits_for} for ever: give it {own}, or the workflow a `timeout`."
            )
            yield Finding(block.path(i, "action"), "may_wait_forever", message)


def _endless(place: Place) -> str | None:
    """What the step waits for without any bound, if it does."""
    spec = place.spec
    waits_for = _FOR_WHAT.get(spec.action)
    if spec.action == "http.request" and spec.params.get("completion") == "callback":
        waits_for = "a callback"
    return None if spec.steps or has_bound(spec.params) or _is_bounded(place) else waits_for


def _given_up(block: Outline, endless: Collection[int]) -> set[int]:
    """Steps that a join gives up (`cancelRemaining`) once others have come, of which some do not wait without end."""
    lost: set[int] = set()
    for step, links in zip(block.steps, block.incoming, strict=True):
        if isinstance(step.join, AtLeast) and step.join.cancel_remaining:
            sources = {link.source for link in links}
            if len(sources - set(endless)) >= step.join.at_least:
                lost |= sources
    return lost


def has_bound(params: dict[str, Any]) -> bool:
    """Whether the params bound the wait; 0 is no bound, and a template may be one."""
    timeout = params.get("timeout")
    return has_template(timeout) or timeout not in (None, 0, "0")


def _is_bounded(place: Place) -> bool:
    """Whether the step, or one that holds it, has a `totalTimeout`."""
    while True:
        if place.spec.total_timeout:
            return True
        if place.block.owner is None:
            return False
        place = place.block.owner
