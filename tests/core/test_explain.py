import pytest

from tenuto.core import inputs as inp
from tenuto.core.definition import RetryPolicy
from tenuto.core.explain import explain, summary
from tenuto.core.instants import duration_text, instant_text
from tests.core.driven import START, Driven, step

RETRYING = RetryPolicy(max_attempts=5, initial_delay=4000)


def sentences(driven: Driven) -> dict[str, str]:
    return {told["stepId"]: told["sentence"] for told in explain(driven.state, driven.at)}


def test_a_running_step_says_since_when_and_what_it_may_take() -> None:
    driven = Driven(step("a", action="http.request")).after(3000)
    assert sentences(driven) == {
        "a": "`a` is running its attempt 1 of action http.request since 2023-11-14T22:13:20Z (3 s ago); "
        "each attempt may take 1 min."
    }


def test_a_retrying_step_says_which_attempt_comes_when_and_after_what() -> None:
    driven = Driven(step("charge", retry_policy=RETRYING))
    driven.fail("charge", "http.503", "upstream\n is down.")
    assert explain(driven.state, driven.at) == [
        {
            "stepId": "charge",
            "status": "retrying",
            "sentence": "`charge` waits for its attempt 2 of 5, due at 2023-11-14T22:13:24Z (in 4 s), after http.503: "
            "upstream is down.",
            "dueAt": START + 4000,
        }
    ]


def test_a_step_tried_again_says_what_went_wrong_before() -> None:
    driven = Driven(step("charge", retry_policy=RETRYING))
    driven.fail("charge")
    driven.after(4000)
    assert sentences(driven) == {
        "charge": "`charge` is running its attempt 2 of 5 of action noop since 2023-11-14T22:13:24Z (0 ms ago), after "
        "http.503: down; each attempt may take 1 min."
    }


def test_a_step_whose_attempt_was_lost_says_so() -> None:
    driven = Driven(step("a"))
    driven.state.status = "running"
    driven.take(inp.Pause(), inp.AttemptLost(0, 1, 0))
    assert sentences(driven) == {
        "a": "`a` waits for its attempt 2, due at 2023-11-14T22:13:20Z (now), after attempt 1 was lost with its "
        "process; it is held while the execution is paused, so resume it."
    }


def test_a_waiting_step_says_for_what_and_until_when() -> None:
    driven = Driven(step("a"))
    driven.wait("a", START + 90_000)
    driven.after(2_000)
    assert sentences(driven) == {
        "a": "`a` waits for its timer since 2023-11-14T22:13:20Z (2 s ago), due at 2023-11-14T22:14:50Z (in 1 min 28 s)."
    }


def test_a_pending_step_names_the_steps_it_waits_for() -> None:
    driven = Driven(
        step("users"), step("orders"), step("other", "orders"), step("load", "users", "orders", "other")
    )
    driven.wait("orders", START + 1000)
    told = {t["stepId"]: t for t in explain(driven.state, driven.at)}
    assert told["load"]["sentence"] == (
        "`load` waits for `users`, which is running since 2023-11-14T22:13:20Z (0 ms ago), `orders`, which waits for its "
        "timer, and `other`, which has not started."
    )
    assert told["load"]["waitsFor"] == ["users", "orders", "other"]


def test_a_step_that_waits_for_many_names_three_and_lists_all() -> None:
    driven = Driven(*(step(f"s{i}") for i in range(9)), step("j", *(f"s{i}" for i in range(9))))
    told = explain(driven.state, driven.at)[-1]
    assert told["sentence"].endswith(", and 6 more.")
    assert len(told["waitsFor"]) == 9


@pytest.mark.parametrize(
    ("join", "words"),
    [
        ("one_success", "for one of these to succeed: `a`"),
        ("one_failed", "for one of these to fail: `a`"),
        ("all_failed", "for all of these to fail: `a`"),
        ("all_done", "for these to end: `a`"),
        ("all_success", "`b` waits for `a`"),
    ],
)
def test_a_pending_step_says_what_its_join_wants(join: str, words: str) -> None:
    driven = Driven(step("a"), step("b", "a", join=join))
    assert words in sentences(driven)["b"]


def test_a_step_held_by_a_pause_alone_says_how_to_go_on() -> None:
    driven = Driven(step("a"), step("b", "a"))
    driven.take(inp.Pause())
    driven.succeed("a")
    assert sentences(driven) == {"b": "`b` could start, but the execution is paused; resume it."}


def test_an_ended_execution_has_nothing_to_explain() -> None:
    driven = Driven(step("a"), step("b", "a"))
    driven.fail("a", "http.500", "oh")
    assert explain(driven.state, driven.at) == []
    assert summary(driven.state, driven.at + 2000) == (
        "The execution failed at 2023-11-14T22:13:20Z (2 s ago), because of http.500 in `a`: oh; retry it to do "
        "again what failed."
    )


def test_the_summary_says_how_many_steps_are_left_and_when_time_is_up() -> None:
    driven = Driven(step("a"), step("b", "a"), timeout=60_000)
    assert summary(driven.state, START) == (
        "The execution is running; 2 steps of 2 still to end; its time is up at 2023-11-14T22:14:20Z (in 1 min)."
    )


def test_the_summary_tells_of_a_pause() -> None:
    driven = Driven(step("a"))
    driven.take(inp.Pause())
    assert summary(driven.state, START + 1500) == (
        "The execution is paused since 2023-11-14T22:13:20Z (1.5 s ago); resume it to go on."
    )


def test_the_summary_tells_of_a_drain_and_of_an_output_under_way() -> None:
    driven = Driven(step("a"), step("b"), on_critical_failure="drain")
    driven.fail("a")
    assert summary(driven.state, START) == (
        "The execution is being ended, because of http.503: down; 1 step still to finish."
    )
    other = Driven(step("a"), output="{{ context.a }}")
    other.succeed("a")
    assert summary(other.state, START) == "All steps have ended well; the output is being worked out."


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400_000, "2000-02-29T00:00:00Z"),
        (1_709_164_799_999, "2024-02-28T23:59:59Z"),
        (4_102_444_800_000, "2100-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ],
)
def test_instants_are_written_as_utc(at: int, text: str) -> None:
    assert instant_text(at) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (4560, "4.5 s"),
        (60_000, "1 min"),
        (123_000, "2 min 3 s"),
        (12_000_000, "3 h 20 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_durations_are_written_in_two_units(ms: int, text: str) -> None:
    assert duration_text(ms) == text
