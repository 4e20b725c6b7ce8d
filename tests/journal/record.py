"""`python -m tests.journal.record` writes golden journals of the scenarios that have none yet. What is recorded stays as
it is for ever: a later version that reads it differently is wrong, not the recording."""

from __future__ import annotations

from tests.journal import golden
from tests.journal.scenarios import SCENARIOS


def main() -> None:
    """Record what is new and say so."""
    for name, record in SCENARIOS.items():
        written = golden.save(name, record().recording())
        print(f"{'recorded' if written else 'kept':9} {name}")


if __name__ == "__main__":
    main()
