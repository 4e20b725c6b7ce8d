"""The ledger against the model, on whatever sequences of calls hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Hashable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tenuto.runtime.slots import Ledger
from tests.slots.model import Model

KEYS = st.sampled_from(["x", "y", "z", "w"])


class LedgerAndModel(RuleBasedStateMachine):
    """Does the same to both and compares what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.model = Model()
        self.now = 0
        self.number = 0

    @rule(
        keys=st.lists(st.tuples(KEYS, st.integers(1, 3)), min_size=1, max_size=4),
        priority=st.integers(-2, 2),
        pause=st.sampled_from([0, 1, 30_000, 90_000]),
    )
    def request(self, keys: list[tuple[str, int]], priority: int, pause: int) -> None:
        self.now += pause
        self.number += 1
        granted = self.ledger.request(self.number, keys, priority, self.now)
        assert granted == self.model.request(self.number, keys, priority, self.now)
        self.check_limits(granted)

    @precondition(lambda self: self.model.holding)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.model.holding, key=str)))
        granted = self.ledger.release(ticket)
        assert granted == self.model.release(ticket)
        self.check_limits(granted)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.model.waiting, key=str)))
        assert self.ledger.withdraw(ticket) == self.model.withdraw(ticket)

    @rule(key=KEYS, limit=st.none() | st.integers(0, 4))
    def set_limit(self, key: str, limit: int | None) -> None:
        assert self.ledger.set_limit(key, limit) == self.model.set_limit(key, limit)

    def check_limits(self, granted: list[Hashable]) -> None:
        for ticket in granted:
            for key in self.model.holding[ticket].limits:
                assert self.model.held(key) <= self.model.limit(key)

    @invariant()
    def tells_the_same_of_every_key(self) -> None:
        for use in self.ledger.uses():
            waiting = sum(use.key in wish.limits for wish in self.model.waiting.values())
            limit = self.model.limit(use.key)
            override = self.model.overrides.get(use.key)
            assert use == (use.key, limit, override, self.model.held(use.key), waiting)
        for ticket in self.model.holding:
            assert self.ledger.holds(ticket)
        for ticket in self.model.waiting:
            assert self.ledger.waits(ticket)

    def teardown(self) -> None:
        """Whoever waits gets its turn, once nothing is closed and those who hold let go."""
        for key in list(self.model.overrides):
            self.set_limit(key, None)
        while held := list(self.model.holding):
            assert self.ledger.release(held[0]) == self.model.release(held[0])
        assert not list(self.model.waiting)
        assert list(self.ledger.uses()) == []


TestLedgerAndModel = LedgerAndModel.TestCase
TestLedgerAndModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
