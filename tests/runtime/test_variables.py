from __future__ import annotations

import pytest

from tenuto.errors import Conflict, NotFound, TooLarge
from tenuto.ports.limits import MAX_VARIABLE_BYTES, MAX_VARIABLES
from tenuto.runtime.variables import Variables
from tenuto.stores.memory import MemoryStore


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.open()
    return store


async def opened(store: MemoryStore) -> Variables:
    variables = Variables(store)
    await variables.open()
    return variables


async def test_values_are_there_after_a_restart_until_they_are_removed(store: MemoryStore) -> None:
    variables = await opened(store)
    assert await variables.put("rates", {"eur": 1.1})
    assert await variables.put("none", None)
    assert not await variables.put("rates", {"eur": 1.2})
    later = await opened(store)
    assert list(later.list().items()) == [("none", None), ("rates", {"eur": 1.2})]
    assert later.get("none") is None
    await later.remove("rates")
    assert (await opened(store)).list() == {"none": None}


async def test_what_was_read_once_stays_as_it_was(store: MemoryStore) -> None:
    variables = await opened(store)
    await variables.put("a", 1)
    before = variables.values
    await variables.put("a", 2)
    await variables.put("b", 3)
    assert (before["a"], "b" in before) == (1, False)
    assert dict(variables.values) == {"a": 2, "b": 3}


async def test_a_value_is_a_copy_of_what_was_given(store: MemoryStore) -> None:
    variables = await opened(store)
    given = {"list": [1]}
    await variables.put("a", given)
    given["list"].append(2)
    assert variables.values["a"] == {"list": [1]}


async def test_a_name_that_is_not_there_is_not_found(store: MemoryStore) -> None:
    variables = await opened(store)
    with pytest.raises(NotFound):
        variables.get("a")
    with pytest.raises(NotFound):
        await variables.remove("a")


async def test_values_have_their_bounds(store: MemoryStore) -> None:
    variables = await opened(store)
    await variables.put("a", "x" * (MAX_VARIABLE_BYTES - 2))
    with pytest.raises(TooLarge):
        await variables.put("a", "x" * (MAX_VARIABLE_BYTES - 1))
    for number in range(MAX_VARIABLES - 1):
        await variables.put(f"v{number}", number)
    with pytest.raises(Conflict):
        await variables.put("one-more", 1)
    await variables.put("a", 2)
