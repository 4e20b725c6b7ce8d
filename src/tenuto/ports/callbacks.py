"""Where other systems report that what a step waits for is done, and whether they may."""

from __future__ import annotations

from typing import Protocol


class Callbacks(Protocol):
    """Makes the URLs that steps give away, and knows them again."""

    def url(self, execution_id: str, instance_id: str, generation: int) -> str:
        """Where to report that this step is done: good for this generation of it only."""

    def check(self, token: str, execution_id: str, instance_id: str, generation: int) -> bool:
        """Whether the token is the one of that URL. Takes as long whatever the token is."""
