"""The memory store keeps the contract."""

from __future__ import annotations

import pytest

from tenuto.stores.memory import MemoryStore
from tests.stores.contract import MakeStore, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def make_store(self) -> MakeStore:
        store = MemoryStore()
        return lambda: store
