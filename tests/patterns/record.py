"""What an execution did, read off its journal: when each instance of a step started and ended, how, and with what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tenuto.ports.host import JournalEntry

_ENDS = {
    "step.succeeded": "success",
    "step.failed": "failed",
    "step.skipped": "skipped",
    "step.cancelled": "cancelled",
}


class Moment(NamedTuple):
    """A place in the journal: the order of events, and the instant in ms since the execution's start."""

    place: int
    at: int


class Deed:
    """One instance of a step: it started and ended (None: not), with this status and reason, and this result."""

    def __init__(self) -> None:
        self.start: Moment | None = None
        self.end: Moment | None = None
        self.status = "under way"
        self.reason: str | None = None
        self.result: Any = None

    @property
    def said(self) -> str:
        """The status, and the reason where there is one worth telling."""
        reason = None if self.status == "cancelled" and self.reason == "run_cancelled" else self.reason
        return f"{self.status} {reason}" if reason else self.status


class Span(NamedTuple):
    """From the first event of an execution to its last, in ms since the epoch."""

    began: int
    ended: int


class Record:
    """The deeds of one execution by instance id."""

    def __init__(self, entries: Iterable[JournalEntry]) -> None:
        self.deeds: dict[str, Deed] = {}
        self.began = self.ended = 0
        place = 0
        for entry in entries:
            self.began = self.began or entry.at
            self.ended = entry.at
            for event in entry.events:
                place += 1
                if event["type"] in ("execution.began", "execution.started"):
                    self._active_from = entry.at
                if "step" in event:
                    self._add(event, Moment(place, entry.at - self.began))

    @property
    def span(self) -> Span:
        """When it was under way; before that it may have been pending."""
        return Span(self._active_from, self.ended)

    def deed(self, instance: str) -> Deed:
        """What became of that instance."""
        assert instance in self.deeds, f"nothing is told of {instance}; there are {sorted(self.deeds)}"
        return self.deeds[instance]

    def has_started(self, instance: str) -> bool:
        """Whether an attempt of it was ever made."""
        return instance in self.deeds and self.deeds[instance].start is not None

    def start(self, instance: str) -> Moment:
        """When its first attempt started."""
        start = self.deed(instance).start
        assert start is not None, f"{instance} never started"
        return start

    def end(self, instance: str) -> Moment:
        """When it ended."""
        end = self.deed(instance).end
        assert end is not None, f"{instance} never ended"
        return end

    def _add(self, event: dict[str, Any], moment: Moment) -> None:
        if event["type"].startswith("execution."):
            return
        deed = self.deeds.setdefault(event["step"], Deed())
        if event["type"] == "step.started" and deed.start is None:
            deed.start = moment
        elif event["type"] in _ENDS:
            deed.status = _ENDS[event["type"]]
            deed.reason = event.get("reason") if deed.status in ("skipped", "cancelled") else None
            deed.result = event.get("result")
            deed.end = moment
