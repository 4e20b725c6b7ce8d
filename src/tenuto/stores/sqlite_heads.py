"""What the writer remembers of live executions: where each journal stands and how its row reads. It lets a commit
check that journals have no gaps, and skip row updates that change nothing, without reading the file.
"""

from __future__ import annotations

from typing import NamedTuple

import apsw

from tenuto.ports.store import TERMINAL

_MOST = 65_536  # heads kept; beyond it all are forgotten and read again as they are needed


class Misfit(Exception):
    """What a batch says does not follow from what is stored."""


class Head(NamedTuple):
    """The last `seq` of a journal (0: none yet) and the parts of the row that a change gives anew."""

    seq: int
    status: str
    end_time: int | None
    wake_at: int | None


class Heads:
    """Heads by execution key. Changes are provisional until `keep`, and `forget` drops them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._kept: dict[int, Head] = {}
        self._new: dict[int, Head] = {}

    def get(self, key: int) -> Head:
        """Raises Misfit when there is no such execution."""
        return self._new.get(key) or self._kept.get(key) or self._read(key)

    def set(self, key: int, head: Head) -> None:
        self._new[key] = head

    def mark(self) -> dict[int, Head]:
        """What is provisional now, for `forget`."""
        return dict(self._new)

    def forget(self, mark: dict[int, Head] | None = None) -> None:
        """Go back to `mark`, or to what was last kept."""
        self._new = {} if mark is None else mark

    def keep(self) -> None:
        """The provisional heads are on disk now. Ended executions are seldom written to again."""
        if len(self._kept) > _MOST:
            self._kept.clear()
        for key, head in self._new.items():
            if head.status in TERMINAL:
                self._kept.pop(key, None)
            else:
                self._kept[key] = head
        self._new = {}

    def _read(self, key: int) -> Head:
        row = self._connection.execute(
            "SELECT coalesce((SELECT max(seq) FROM journal WHERE key = ?1), 0), status, end_time, wake_at"
            " FROM executions WHERE key = ?1",
            (key,),
        ).fetchone()
        if row is None:
            raise Misfit(f"there is no execution with the key {key}")
        head = Head(*row)
        self._new[key] = head
        return head
