"""Callback URLs and the key that makes them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tenuto.runtime.callbacks import KEY_BYTES, Callbacks, load_key
from tenuto.stores.memory import MemoryStore

CALLBACKS = Callbacks(b"k" * 32, "https://flows.example/tenuto/")


def token_of(url: str) -> str:
    (token,) = parse_qs(urlsplit(url).query)["token"]
    return token


def test_a_url_names_the_step_and_its_token_is_known_again() -> None:
    url = CALLBACKS.url("exec-1", "charge[3]", 2)
    parts = urlsplit(url)
    assert (parts.netloc, parts.path) == (
        "flows.example",
        "/tenuto/executions/exec-1/steps/charge%5B3%5D/complete",
    )
    assert CALLBACKS.check(token_of(url), "exec-1", "charge[3]", 2)


@pytest.mark.parametrize(
    ("execution_id", "instance_id", "generation"),
    [("exec-2", "charge", 0), ("exec-1", "charge[0]", 0), ("exec-1", "charge", 1), ("exec-1:charge", "", 0)],
)
def test_a_token_is_good_for_one_step_in_one_generation(
    execution_id: str, instance_id: str, generation: int
) -> None:
    token = token_of(CALLBACKS.url("exec-1", "charge", 0))
    assert not CALLBACKS.check(token, execution_id, instance_id, generation)


@pytest.mark.parametrize("token", ["", "x", "ü\ud800", "A" * 43, "A" * 100_000])
def test_what_is_no_token_is_known_as_none(token: str) -> None:
    assert not CALLBACKS.check(token, "exec-1", "charge", 0)


def test_another_key_makes_other_tokens() -> None:
    other = Callbacks(b"o" * 32, "https://flows.example")
    assert not other.check(token_of(CALLBACKS.url("exec-1", "charge", 0)), "exec-1", "charge", 0)


async def test_the_key_is_made_once_and_kept() -> None:
    store = MemoryStore()
    await store.open()
    key = await load_key(store)
    assert len(key) == KEY_BYTES
    assert await load_key(store) == key
    another = MemoryStore()
    await another.open()
    assert await load_key(another) != key
