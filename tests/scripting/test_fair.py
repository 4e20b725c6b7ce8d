"""Taking turns."""

from __future__ import annotations

import pytest

from tenuto.scripting.fair import FairQueue


def test_owners_take_turns_and_keep_their_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.push(item[0], item)
    assert len(queue) == 6
    assert [queue.pop() for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert len(queue) == 0


def test_what_is_put_back_comes_first_in_its_order() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", "a1")
    queue.put_back(["x", "y"])
    queue.put_back(["w"])
    assert [queue.pop() for _ in range(4)] == ["w", "x", "y", "a1"]


def test_an_empty_queue_has_nothing_to_take() -> None:
    with pytest.raises(LookupError):
        FairQueue[str]().pop()
