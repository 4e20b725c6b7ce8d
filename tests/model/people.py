"""Who gets which signal, and what an approval comes to, read off the language: plain replays of what was said, in its
order. Nothing of tenuto may be imported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Wait(NamedTuple):
    """A step begins to wait for the signal of that name."""

    step: str
    name: str


class Leave(NamedTuple):
    """A step ended otherwise than by its signal."""

    step: str


class Sent(NamedTuple):
    """A signal. `key` is the sender's, who may say the same thing twice."""

    name: str
    payload: Any
    key: str | None = None


def delivered(happenings: Iterable[Wait | Leave | Sent]) -> dict[str, Any]:
    """The payload that each step got: each signal goes to one step, the one that has waited longest, or else to the
    next that does; of several that are kept the oldest goes first; a key counts once for each name."""
    waiting: list[Wait] = []
    kept: list[Sent] = []
    keys: set[tuple[str, str]] = set()
    got: dict[str, Any] = {}
    for said in happenings:
        match said:
            case Wait():
                waiting.append(said)
            case Leave():
                waiting = [wait for wait in waiting if wait.step != said.step]
            case Sent():
                if said.key is not None and (said.name, said.key) in keys:
                    continue
                if said.key is not None:
                    keys.add((said.name, said.key))
                kept.append(said)
        pairs = ((wait, signal) for wait in waiting for signal in kept if wait.name == signal.name)
        for wait, signal in list(pairs)[:1]:
            waiting.remove(wait)
            kept.remove(signal)
            got[wait.step] = signal.payload
    return got


class Answer(NamedTuple):
    """What one person says to an approval."""

    by: str
    approved: bool
    data: Any = None


class Verdict(NamedTuple):
    """What the answers so far come to: None is nothing yet. `refused` are the places of those not taken."""

    approved: bool | None
    by: tuple[str, ...]
    refused: tuple[int, ...]


def judge(answers: Sequence[Answer], approvers: Sequence[str], quorum: int) -> Verdict:
    """One no is enough, and so are `quorum` people who say yes; nobody is heard twice, and strangers never."""
    agreed: list[str] = []
    refused: list[int] = []
    decided: bool | None = None
    for place, answer in enumerate(answers):
        stranger = bool(approvers) and answer.by not in approvers
        if decided is not None or stranger or answer.by in agreed:
            refused.append(place)
        elif not answer.approved:
            decided = False
        else:
            agreed.append(answer.by)
            decided = True if len(agreed) == quorum else None
    return Verdict(decided, tuple(agreed), tuple(refused))
