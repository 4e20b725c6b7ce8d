from __future__ import annotations

from tenuto.runtime.slots import Ledger, Use


def ask(
    ledger: Ledger, ticket: str, *keys: tuple[str, int], priority: int = 0, since: int = 0
) -> list[object]:
    return list(ledger.request(ticket, keys, priority, since))


def test_as_many_hold_a_key_as_its_limit_says_and_the_next_follows_a_release() -> None:
    ledger = Ledger()
    assert ask(ledger, "a", ("k", 2)) == ["a"]
    assert ask(ledger, "b", ("k", 2)) == ["b"]
    assert ask(ledger, "c", ("k", 2)) == []
    assert ledger.use("k") == Use("k", 2, None, 2, 1)
    assert ledger.release("a") == ["c"]
    assert ledger.use("k") == Use("k", 2, None, 2, 0)


def test_all_keys_are_taken_or_none() -> None:
    ledger = Ledger()
    ask(ledger, "a", ("x", 1))
    assert ask(ledger, "both", ("x", 1), ("y", 1)) == []
    assert ledger.use("y").held == 0
    assert ledger.release("a") == ["both"]
    assert (ledger.use("x").held, ledger.use("y").held) == (1, 1)


def test_a_higher_priority_comes_first_and_of_equals_the_oldest() -> None:
    ledger = Ledger()
    ask(ledger, "holder", ("k", 1))
    ask(ledger, "young", ("k", 1), since=2)
    ask(ledger, "old", ("k", 1), since=1)
    ask(ledger, "urgent", ("k", 1), priority=1, since=3)
    order = []
    for ticket in ("holder", "urgent", "old"):
        order += ledger.release(ticket)
    assert order == ["urgent", "old", "young"]


def test_a_minute_of_waiting_counts_as_one_point_of_priority() -> None:
    ledger = Ledger()
    ask(ledger, "holder", ("k", 1))
    ask(ledger, "patient", ("k", 1), priority=0, since=0)
    ask(ledger, "soon after", ("k", 1), priority=1, since=59_999)
    ask(ledger, "too late", ("k", 1), priority=1, since=60_001)
    order = []
    for ticket in ("holder", "soon after", "patient"):
        order += ledger.release(ticket)
    assert order == ["soon after", "patient", "too late"]


def test_small_requests_do_not_starve_an_older_one_that_needs_several_keys() -> None:
    ledger = Ledger()
    ask(ledger, "x0", ("x", 1))
    ask(ledger, "y0", ("y", 1))
    ask(ledger, "both", ("x", 1), ("y", 1), since=1)
    ask(ledger, "x1", ("x", 1), since=2)
    ask(ledger, "y1", ("y", 1), since=2)
    assert ledger.release("x0") == []  # kept for the older one
    assert ask(ledger, "x2", ("x", 1), since=3) == []
    assert ledger.release("y0") == ["both"]
    assert ledger.release("both") == ["x1", "y1"]


def test_a_tenant_at_its_limit_does_not_hold_up_others_at_a_key_they_share() -> None:
    ledger = Ledger()
    ask(ledger, "a1", ("tenant a", 1), ("api", 3))
    for number in range(2, 50):
        assert ask(ledger, f"a{number}", ("tenant a", 1), ("api", 3), since=number) == []
    assert ask(ledger, "b1", ("tenant b", 5), ("api", 3), since=100) == ["b1"]
    assert (
        ask(ledger, "b2", ("tenant b", 5), ("api", 3), since=101) == []
    )  # the last slot is kept for a2, the next


def test_who_wants_only_free_keys_passes_a_line_that_does_not_concern_it() -> None:
    ledger = Ledger()
    ask(ledger, "holder", ("x", 1))
    ask(ledger, "waiter", ("x", 1), ("y", 1), since=1)
    assert ask(ledger, "other", ("z", 1), since=2) == ["other"]


def test_a_slot_is_not_kept_for_one_who_is_not_next_everywhere() -> None:
    ledger = Ledger()
    ask(ledger, "x0", ("x", 1))
    ask(ledger, "before", ("x", 1), since=1)
    ask(ledger, "both", ("x", 1), ("y", 1), since=2)
    assert ask(ledger, "y1", ("y", 1), since=3) == ["y1"]


def test_the_lowest_limit_that_somebody_names_holds_while_they_are_there() -> None:
    ledger = Ledger()
    ask(ledger, "a", ("k", 3))
    ask(ledger, "b", ("k", 3))
    assert ask(ledger, "strict", ("k", 1)) == []
    assert ledger.use("k").limit == 1
    assert ask(ledger, "c", ("k", 3)) == []
    assert ledger.withdraw("strict") == ["c"]
    assert ledger.use("k").limit == 3


def test_an_override_holds_over_what_tickets_say_until_it_is_taken_away() -> None:
    ledger = Ledger()
    for ticket in "abcd":
        ask(ledger, ticket, ("k", 1))
    assert ledger.set_limit("k", 3) == ["b", "c"]
    assert ledger.use("k") == Use("k", 3, 3, 3, 1)
    assert ledger.set_limit("k", None) == []
    assert ledger.release("a") == []  # two still hold what allows one
    assert ledger.release("b") == []
    assert ledger.release("c") == ["d"]


def test_a_key_closed_by_a_limit_of_zero_keeps_nothing_of_other_keys() -> None:
    ledger = Ledger()
    ledger.set_limit("x", 0)
    assert ask(ledger, "both", ("x", 5), ("y", 1), since=1) == []
    assert ask(ledger, "y1", ("y", 1), since=2) == ["y1"]
    assert ledger.release("y1") == []
    assert ledger.set_limit("x", None) == ["both"]


def test_closing_a_key_frees_what_was_kept_for_the_one_who_waits_for_it() -> None:
    ledger = Ledger()
    ask(ledger, "x0", ("x", 1))
    ask(ledger, "both", ("x", 1), ("y", 1), since=1)
    assert ask(ledger, "y1", ("y", 1), since=2) == []
    assert ledger.set_limit("x", 0) == ["y1"]


def test_what_was_kept_for_one_who_withdraws_goes_to_the_others() -> None:
    ledger = Ledger()
    ask(ledger, "x0", ("x", 1))
    ask(ledger, "both", ("x", 1), ("y", 1), since=1)
    ask(ledger, "y1", ("y", 1), since=2)
    assert ledger.withdraw("both") == ["y1"]


def test_one_with_higher_priority_who_comes_before_the_next_frees_what_was_kept_for_it() -> None:
    ledger = Ledger()
    ask(ledger, "x0", ("x", 1))
    ask(ledger, "both", ("x", 1), ("y", 1), since=1)
    assert ask(ledger, "y1", ("y", 1), since=2) == []
    assert ask(ledger, "urgent", ("x", 1), priority=5, since=3) == ["y1"]  # both is no longer next at x


def test_a_key_named_twice_is_one_slot_at_the_lower_limit() -> None:
    ledger = Ledger()
    assert ask(ledger, "a", ("k", 5), ("k", 2)) == ["a"]
    assert ledger.use("k") == Use("k", 2, None, 1, 0)


def test_what_was_held_before_counts_even_above_the_limit() -> None:
    ledger = Ledger()
    ledger.hold("a", [("k", 1)])
    ledger.hold("b", [("k", 1)])
    assert ask(ledger, "c", ("k", 1)) == []
    assert ledger.release("a") == []
    assert ledger.release("b") == ["c"]


def test_letting_go_of_what_one_does_not_have_changes_nothing() -> None:
    ledger = Ledger()
    ask(ledger, "a", ("k", 1))
    ask(ledger, "b", ("k", 1))
    assert ledger.release("b") == []
    assert ledger.withdraw("a") == []
    assert ledger.release("nobody") == []
    assert (ledger.holds("a"), ledger.waits("b")) == (True, True)


def test_keys_that_nobody_uses_are_forgotten() -> None:
    ledger = Ledger()
    ask(ledger, "a", ("k", 1), ("l", 1))
    ask(ledger, "b", ("k", 1))
    ledger.set_limit("m", 7)
    assert {use.key for use in ledger.uses()} == {"k", "l", "m"}
    ledger.withdraw("b")
    ledger.release("a")
    ledger.set_limit("m", None)
    assert list(ledger.uses()) == []
