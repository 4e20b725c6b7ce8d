"""How webhooks leave the outbox: in order, again and again, and never in each other's way. Time is simulated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from tenuto.errors import NotFound
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.outbox import MOST_ATTEMPTS, DeliveryResult, receiver_name
from tests.runtime.outboxes import SENT, Deliveries, FakeOutbox, again, passed, sending
from tests.simulation.loop import run

HOUR = 3_600


def simulated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test on a loop whose time jumps."""

    @wraps(test)
    def on_simulated_loop(*args: Any, **kwargs: Any) -> None:
        run(lambda: test(*args, **kwargs))

    return on_simulated_loop


@simulated
async def test_messages_of_an_execution_arrive_in_order() -> None:
    store, deliver = FakeOutbox(), Deliveries()
    first = [store.put(1) for _ in range(20)]
    second = [store.put(2) for _ in range(20)]
    async with sending(store, deliver):
        await passed(1)
    assert [i for i in deliver.ids if i in first] == first
    assert [i for i in deliver.ids if i in second] == second
    assert store.messages == {}


@simulated
async def test_a_message_waits_until_the_one_before_it_is_sent() -> None:
    store = FakeOutbox()
    stubborn, behind, other = store.put(1), store.put(1), store.put(2)
    deliver = Deliveries(lambda m: again() if m.id == stubborn and m.attempts < 3 else SENT)
    async with sending(store, deliver):
        await passed(20)
    assert deliver.ids == [stubborn, other, stubborn, stubborn, stubborn, behind]
    assert store.messages == {}


@simulated
async def test_a_message_goes_out_only_after_the_one_before_it_is_recorded_as_sent() -> None:
    store = FakeOutbox()
    first, second = store.put(1), store.put(1)
    still_stored: list[bool] = []

    def look(message: OutboxMessage) -> DeliveryResult:
        if message.id == second:
            still_stored.append(first in store.messages)
        return SENT

    async with sending(store, Deliveries(look)):
        await passed(1)
    assert still_stored == [False]


@simulated
async def test_failed_deliveries_are_tried_again_after_1_2_4_seconds_up_to_an_hour() -> None:
    store, deliver = FakeOutbox(), Deliveries(lambda _: again("answered 503 Service Unavailable"))
    message_id = store.put(1)
    async with sending(store, deliver):
        await passed(25 * HOUR)
    pauses = [round((b - a) / 1000) for (a, _), (b, _) in zip(deliver.log, deliver.log[1:], strict=False)]
    assert pauses[:12] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
    assert set(pauses[12:]) == {3600}
    assert len(deliver.log) == MOST_ATTEMPTS
    assert 23 * HOUR < deliver.log[-1][0] / 1000 < 25 * HOUR
    dead = store.messages[message_id]
    assert (dead.dead, dead.attempts, dead.last_error) == (True, 35, "answered 503 Service Unavailable")


@simulated
async def test_pauses_are_spread_by_a_fifth() -> None:
    store, deliver = FakeOutbox(), Deliveries(lambda _: again())
    for key in range(200):
        store.put(key, url=f"http://r{key}/")
    async with sending(store, deliver, rng=random.Random(7), parallel=200):
        await passed(1.5)
    seconds = [at / 1000 for at, _ in deliver.log[200:]]
    assert len(seconds) == 200
    assert min(seconds) < 0.85
    assert max(seconds) > 1.15
    assert all(0.79 < at < 1.25 for at in seconds)


@simulated
async def test_retry_after_lengthens_the_pause_up_to_an_hour() -> None:
    store = FakeOutbox()
    store.put(1)
    wishes = iter([30_000, 500, 10**9])
    deliver = Deliveries(lambda _: again(retry_after_ms=next(wishes, None)))
    async with sending(store, deliver):
        await passed(2 * HOUR)
    pauses = [round((b - a) / 1000) for (a, _), (b, _) in zip(deliver.log, deliver.log[1:4], strict=False)]
    assert pauses == [30, 2, 3600]


@simulated
async def test_a_receiver_that_wants_no_more_makes_the_message_dead_at_once() -> None:
    store = FakeOutbox()
    first, second = store.put(1), store.put(1)
    deliver = Deliveries(lambda m: DeliveryResult("dead", "answered 410 Gone") if m.id == first else SENT)
    async with sending(store, deliver):
        await passed(1)
    assert deliver.ids == [first, second]
    assert list(store.messages) == [first]
    assert (store.messages[first].dead, store.messages[first].last_error) == (True, "answered 410 Gone")


@simulated
async def test_a_dead_message_can_be_sent_again_with_all_its_attempts() -> None:
    store = FakeOutbox()
    message_id = store.put(1)
    deliver = Deliveries(lambda _: DeliveryResult("dead", "answered 410 Gone"))
    async with sending(store, deliver) as sender:
        await passed(1)
        deliver.answer = lambda m: again() if m.attempts < 2 else SENT
        await sender.resend(message_id)
        await passed(10)
        assert deliver.ids == [message_id] * 4
        assert [m.attempts for m in deliver.seen] == [0, 0, 1, 2]
        assert store.messages == {}
        with pytest.raises(NotFound):
            await sender.resend(message_id)


@simulated
async def test_two_wishes_to_send_a_dead_message_again_send_it_once() -> None:
    store = FakeOutbox()
    message_id, waiting = store.put(1), store.put(1)
    deliver = Deliveries(lambda m: DeliveryResult("dead") if m.id == message_id else again())
    async with sending(store, deliver) as sender:
        await passed(0.5)
        deliver.answer = lambda _: SENT
        asked = await asyncio.gather(*(sender.resend(message_id) for _ in range(2)), return_exceptions=True)
        assert [type(answer) for answer in asked] == [type(None), NotFound]
        with pytest.raises(NotFound):
            await sender.resend(waiting)
        await passed(5)
    assert deliver.ids == [message_id, waiting, waiting, message_id]


@simulated
async def test_a_dead_message_sent_again_before_everything_was_read_is_sent_once() -> None:
    store = FakeOutbox()
    ids = [store.put(key, url=f"http://r{key // 499}/") for key in range(500)]
    for message_id in ids[400:]:
        store.messages[message_id] = _dead(store.messages[message_id])

    async def slow(_: OutboxMessage) -> DeliveryResult:
        await passed(0.05)
        return SENT

    deliver = Deliveries(slow)
    async with sending(store, deliver) as sender:
        await sender.resend(ids[-1])
        await passed(5)
    assert deliver.ids.count(ids[-1]) == 1
    assert len(deliver.ids) == 401


def _dead(message: OutboxMessage) -> OutboxMessage:
    return OutboxMessage(
        id=message.id, key=message.key, event_id="e", kind="onStep", url=message.url, body=b"{}", created_at=0, dead=True
    )  # fmt: skip


@simulated
async def test_deliveries_run_side_by_side_within_the_limit() -> None:
    store = FakeOutbox()
    for key in range(100):
        store.put(key, url=f"http://r{key}/")

    async def slow(_: OutboxMessage) -> DeliveryResult:
        await passed(1)
        return SENT

    deliver = Deliveries(slow)
    async with sending(store, deliver, parallel=10):
        await passed(10.5)
    assert deliver.most_under_way == 10
    assert store.messages == {}


@simulated
async def test_a_receiver_that_hangs_does_not_hold_up_the_others() -> None:
    store = FakeOutbox()
    for key in range(1000):
        store.put(key, url="http://stuck:8080/a")
    good = [store.put(1000 + n, url=f"http://good{n % 3}/b") for n in range(60)]

    async def hang(_: OutboxMessage) -> DeliveryResult:
        await passed(15)
        return again("no answer within 15000 ms")

    deliver = Deliveries(lambda m: hang(m) if "stuck" in m.url else SENT)
    async with sending(store, deliver):
        await passed(10)
        assert not set(good) & set(store.messages)
        assert deliver.under_way == 8
        await passed(10)
        assert deliver.under_way == 2  # and its share shrinks while it does not answer


@simulated
async def test_a_receiver_that_recovers_gets_its_share_back() -> None:
    store = FakeOutbox()
    for key in range(200):
        store.put(key)

    async def slow(message: OutboxMessage) -> DeliveryResult:
        await passed(1)
        return again() if message.id == 1 and not message.attempts else SENT

    deliver = Deliveries(slow)
    async with sending(store, deliver):
        await passed(60)
    assert deliver.most_under_way == 8
    assert store.messages == {}


@simulated
async def test_a_new_message_leaves_at_once_and_nothing_is_asked_of_an_idle_store() -> None:
    store, deliver = FakeOutbox(), Deliveries()
    async with sending(store, deliver) as sender:
        await passed(HOUR)
        assert store.reads == 1
        message_id = store.put(1)
        sender.notify()
        await passed(0.01)
        assert deliver.ids == [message_id]
        await passed(HOUR)
        assert store.reads == 2
        assert store.updates == 1


@simulated
async def test_a_restarted_sender_goes_on_with_what_was_left_and_when_it_was_due() -> None:
    store = FakeOutbox()
    waiting, fresh = store.put(1), store.put(2)
    refusing = Deliveries(lambda _: again())
    async with sending(store, refusing):
        await passed(3.5)  # attempts at 0, 1 and 3 s; the next is due at 7 s
    deliver = Deliveries()
    async with sending(store, deliver):
        await passed(0.2)
        assert deliver.log == []
        await passed(10)
    assert [round(at / 1000) for at, _ in deliver.log] == [7, 7]
    assert sorted(deliver.ids) == [waiting, fresh]
    assert store.messages == {}


@simulated
async def test_a_stop_lets_deliveries_under_way_finish() -> None:
    store = FakeOutbox()
    done, late = store.put(1), store.put(2)

    async def slow(message: OutboxMessage) -> DeliveryResult:
        await passed(1 if message.id == done else 60)
        return SENT

    async with sending(store, Deliveries(slow), grace_ms=2_000):
        await passed(0.5)
    assert list(store.messages) == [late]
    assert store.messages[late].attempts == 0


@simulated
async def test_while_the_store_is_away_nothing_is_lost_and_nothing_more_is_sent() -> None:
    store = FakeOutbox()
    first, second = store.put(1), store.put(1)

    async def slow(_: OutboxMessage) -> DeliveryResult:
        await passed(1)
        return SENT

    deliver = Deliveries(slow)
    async with sending(store, deliver):
        await passed(0.5)
        store.is_down = True
        await passed(30)
        assert deliver.ids == [first]
        store.is_down = False
        await passed(5)
    assert deliver.ids == [first, second]
    assert store.messages == {}


@simulated
async def test_a_message_due_while_the_store_is_away_is_sent_when_it_is_back() -> None:
    store = FakeOutbox()
    first, second = store.put(1), store.put(2)
    deliver = Deliveries(lambda m: SENT if m.attempts else again())
    async with sending(store, deliver):
        await passed(0.5)
        store.is_down = True
        await passed(5)
        assert deliver.ids == [first, second]
        store.is_down = False
        await passed(2)
    assert deliver.ids == [first, second, first, second]
    assert store.messages == {}


@simulated
async def test_a_store_that_is_away_at_the_start_is_waited_for() -> None:
    store, deliver = FakeOutbox(), Deliveries()
    message_id = store.put(1)
    store.is_down = True
    async with sending(store, deliver):
        await passed(10)
        store.is_down = False
        await passed(2)
    assert deliver.ids == [message_id]


@simulated
async def test_a_delivery_that_breaks_costs_an_attempt_and_nothing_else() -> None:
    store = FakeOutbox()
    broken, fine = store.put(1), store.put(2)

    def breaks(message: OutboxMessage) -> DeliveryResult:
        if message.id == broken:
            raise ZeroDivisionError("with a secret in it")
        return SENT

    async with sending(store, Deliveries(breaks)):
        await passed(0.5)
    assert list(store.messages) == [broken]
    assert fine not in store.messages
    assert store.messages[broken].attempts == 1
    assert store.messages[broken].last_error == "the delivery broke (ZeroDivisionError)"


@simulated
async def test_a_round_that_breaks_does_not_end_all_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    store, deliver = FakeOutbox(), Deliveries()
    message_id = store.put(1)
    answers = iter([ZeroDivisionError("a mistake")])
    whole = store.outbox

    async def break_once(**query: Any) -> Any:
        for error in answers:
            raise error
        return await whole(**query)

    monkeypatch.setattr(store, "outbox", break_once)
    async with sending(store, deliver):
        await passed(5)
    assert deliver.ids == [message_id]


@simulated
async def test_a_message_removed_by_somebody_else_does_not_block_its_execution() -> None:
    store = FakeOutbox()
    first, second = store.put(1), store.put(1)
    deliver = Deliveries(lambda _: again())
    async with sending(store, deliver):
        await passed(0.5)
        deliver.answer = lambda _: SENT
        del store.messages[first]
        await passed(5)
    assert deliver.ids == [first, second]
    assert store.messages == {}


@simulated
async def test_a_backlog_is_read_in_pages_and_not_all_kept() -> None:
    store = FakeOutbox()
    for key in range(3_000):
        store.put(key, body=b"x" * 100, url=f"http://r{key % 10}/")
    deliver = Deliveries()
    async with sending(store, deliver) as sender:
        most_kept = 0
        while store.messages:
            await passed(0.001)
            most_kept = max(most_kept, len(sender._at_hand))
    assert sorted(deliver.ids) == list(range(1, 3_001))
    assert most_kept <= 100
    assert store.updates < 1_000  # recorded in batches


@simulated
async def test_large_messages_are_not_kept_while_they_wait() -> None:
    store = FakeOutbox()
    body = b"x" * 1024 * 1024
    for key in range(60):
        store.put(key, body=body)

    async def slow(_: OutboxMessage) -> DeliveryResult:
        await passed(1)
        return SENT

    async with sending(store, Deliveries(slow)) as sender:
        await passed(0.5)
        assert len(sender._at_hand) <= 8
        await passed(60)
    assert store.messages == {}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://user:hidden@Host.example:8080/secret?x=1", "host.example:8080"),
        ("https://host/x", "host"),
        ("http://[::1", ""),
        ("nonsense", ""),
    ],
)
def test_a_receiver_is_named_without_what_may_be_secret(url: str, name: str) -> None:
    assert receiver_name(url) == name


@simulated
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_fails_and_whenever_it_restarts_all_arrive_in_order(seed: int) -> None:
    rng = random.Random(seed)
    store = FakeOutbox()
    for _ in range(120):
        store.put(rng.randrange(12), url=f"http://r{rng.randrange(4)}/")
    keys = {message.id: message.key for message in store.messages.values()}
    arrived: list[int] = []

    async def moody(message: OutboxMessage) -> DeliveryResult:
        await passed(rng.random() * 3)
        if rng.random() < 0.3:
            return again()
        arrived.append(message.id)
        await passed(rng.random() / 10)  # a crash here makes the message arrive once more
        return SENT

    while store.messages:
        async with sending(store, Deliveries(moody), rng=random.Random(seed), grace_ms=0):
            await passed(rng.random() * 20)
            store.is_down = rng.random() < 0.3
            await passed(rng.random() * 5)
            store.is_down = False
    for key in set(keys.values()):
        mine = [message_id for message_id in arrived if keys[message_id] == key]
        assert mine == sorted(mine), f"seed {seed}: execution {key}"
        assert set(mine) == {message_id for message_id, owner in keys.items() if owner == key}
