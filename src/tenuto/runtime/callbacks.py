"""Callback URLs: whoever has one may end one step of one execution, in the generation it was made for, and nothing else.

A token is worked out of ids and a key, so none is kept: HMAC-SHA256 over execution, instance and generation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from tenuto.ports.store import Batch, Item, Store

KIND, NAME = "secret", "callback-key"
KEY_BYTES = 32


class Callbacks:
    """The callbacks of one store, whose `key` it keeps. `base_url` is how other systems reach this server."""

    def __init__(self, key: bytes, base_url: str) -> None:
        self._key = key
        self._base_url = base_url.rstrip("/")

    def url(self, execution_id: str, instance_id: str, generation: int) -> str:
        """Where to report that this step is done: good for this generation of it only."""
        token = self._token(execution_id, instance_id, generation)
        path = f"executions/{quote(execution_id, safe='')}/steps/{quote(instance_id, safe='')}/complete"
        return f"{self._base_url}/{path}?token={token}"

    def check(self, token: str, execution_id: str, instance_id: str, generation: int) -> bool:
        """Whether the token is the one of that URL. Takes as long whatever the token is."""
        right = self._token(execution_id, instance_id, generation)
        return hmac.compare_digest(token.encode("utf-8", "replace"), right.encode())

    def _token(self, execution_id: str, instance_id: str, generation: int) -> str:
        # As JSON, so that no two triples are the same text.
        content = msgspec.json.encode(("callback", execution_id, instance_id, generation))
        digest = hmac.new(self._key, content, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def load_key(store: Store, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """The key that the store keeps; made where there is none yet. Raises StoreUnavailable."""
    key = await _find_key(store)
    if key is None:
        made = Item(kind=KIND, name=NAME, data=random_bytes(KEY_BYTES))
        await store.commit(Batch([], [], [], [], items=[made]))
        key = await _find_key(store)  # which tells what is kept, if another server made one at the same time
        assert key is not None, "what was committed is there"
    return key


async def _find_key(store: Store) -> bytes | None:
    found = await store.items(KIND, names=[NAME])
    return found[0].data if found else None
