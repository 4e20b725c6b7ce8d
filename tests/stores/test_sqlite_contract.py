"""The SQLite store keeps the contract, whichever writer it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.stores.sqlite import SqliteStore, WriterKind
from tests.stores.contract import MakeStore, StoreContract


class TestSqliteStore(StoreContract):
    @pytest.fixture(params=["thread", "process"])
    def make_store(self, tmp_path: Path, request: pytest.FixtureRequest) -> MakeStore:
        writer: WriterKind = request.param
        return lambda: SqliteStore(tmp_path / "tenuto.db", writer=writer)
