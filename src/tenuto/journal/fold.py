"""Replay: a state from its journal."""

from __future__ import annotations

from collections.abc import Iterable

from tenuto.core.apply import apply
from tenuto.core.graph import Graph
from tenuto.core.state import State, look_again
from tenuto.errors import UnreadableRecord
from tenuto.journal.codec import decode


def fold(graph: Graph, records: Iterable[bytes]) -> State:
    """The state that these records, in order, amount to. Raises UnreadableRecord."""
    state = State(graph)
    extend(state, records)
    return state


def extend(state: State, records: Iterable[bytes]) -> None:
    """Fold further records into a state. Raises UnreadableRecord; the state is of no use then."""
    for data in records:
        at, events = decode(data)
        try:
            for event in events:
                apply(state, event, at)
        except Exception as error:  # the boundary to what is stored: facts that contradict each other
            raise UnreadableRecord(
                f"record {state.seq + 1} of a journal does not follow from those before it: {error!r}"
            ) from error
        state.seq += 1
    look_again(state)
