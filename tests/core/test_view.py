from tenuto.core import inputs as inp
from tenuto.core.definition import RetryPolicy
from tenuto.core.view import brief, document, visualize
from tests.core.driven import START, Driven, step

RETRYING = RetryPolicy(max_attempts=3, initial_delay=4000)


def test_the_document_has_the_documented_fields_of_a_running_execution() -> None:
    driven = Driven(
        step("validate"), step("charge", "validate"), step("ship", "charge"), context={"orderId": "7"}
    )
    driven.after(234).succeed("validate", {"valid": True})

    assert document(driven.state, START + 500) == {
        "executionId": "e-1",
        "workflowId": "w",
        "workflowVersion": 3,
        "status": "running",
        "phase": "normal",
        "startTime": START,
        "duration": 500,
        "currentSteps": ["charge"],
        "completedSteps": ["validate"],
        "failedSteps": [],
        "skippedSteps": [],
        "cancelledSteps": [],
        "tags": {"team": "a"},
        "priority": 0,
        "stepResults": {
            "validate": {
                "stepId": "validate",
                "status": "success",
                "attempts": 1,
                "startTime": START,
                "endTime": START + 234,
                "duration": 234,
                "result": {"valid": True},
            },
            "charge": {"stepId": "charge", "status": "running", "attempts": 1, "startTime": START + 234},
        },
        "context": {"orderId": "7", "validate": {"valid": True}},
    }


def test_steps_that_nothing_happened_to_are_not_among_the_results() -> None:
    driven = Driven(step("a"), step("b", "a"))
    assert set(document(driven.state, START)["stepResults"]) == {"a"}


def test_a_result_of_null_is_shown() -> None:
    driven = Driven(step("a"))
    driven.succeed("a", None)
    assert document(driven.state, START)["stepResults"]["a"]["result"] is None


def test_a_completed_execution_gives_back_the_results_of_its_last_steps() -> None:
    driven = Driven(step("a"), step("b", "a"), step("c", "a"))
    for step_id, result in (("a", 1), ("b", 2), ("c", 3)):
        driven.succeed(step_id, result)
    assert document(driven.state, START)["output"] == {"b": 2, "c": 3}


def test_last_steps_that_did_not_succeed_are_not_in_the_output() -> None:
    driven = Driven(step("a"), step("b", optional=True))
    driven.succeed("a", 1)
    driven.fail("b")
    assert document(driven.state, START)["output"] == {"a": 1}


def test_an_output_of_the_definition_replaces_the_last_results() -> None:
    driven = Driven(step("a"), output="{{ context.a }}")
    driven.succeed("a", 1)
    driven.take(inp.OutputComputed("all good"))
    assert document(driven.state, START)["output"] == "all good"


def test_an_execution_that_has_not_completed_has_no_output() -> None:
    driven = Driven(step("a"))
    assert "output" not in document(driven.state, START)
    driven.fail("a")
    assert "output" not in document(driven.state, START)


def test_a_failed_execution_names_its_error_and_the_step_that_failed_first() -> None:
    driven = Driven(step("a"), step("b", "a"))
    driven.fail("a", "http.402", "no money", {"body": "card"})
    shown = document(driven.state, START)
    assert shown["error"] == {"stepId": "a", "type": "http.402", "message": "no money"}
    assert shown["stepResults"]["a"]["error"] == {
        "type": "http.402",
        "message": "no money",
        "details": {"body": "card"},
    }
    assert shown["failedSteps"] == ["a"]
    assert shown["skippedSteps"] == ["b"]


def test_a_skipped_step_shows_why_and_because_of_which_step() -> None:
    driven = Driven(step("a"), step("b", "a"))
    driven.after(10).fail("a")
    assert document(driven.state, START)["stepResults"]["b"] == {
        "stepId": "b",
        "status": "skipped",
        "attempts": 0,
        "endTime": START + 10,
        "reason": "upstream_failed",
        "cause": "a",
    }


def test_a_retrying_step_shows_its_last_error_and_when_it_is_tried_again() -> None:
    driven = Driven(step("a", retry_policy=RETRYING))
    driven.fail("a")
    shown = document(driven.state, START)
    assert shown["currentSteps"] == ["a"]
    assert shown["stepResults"]["a"] == {
        "stepId": "a",
        "status": "retrying",
        "attempts": 1,
        "startTime": START,
        "error": {"type": "http.503", "message": "down"},
        "nextAttemptAt": START + 4000,
    }


def test_a_waiting_step_shows_what_it_waits_for_and_hides_its_coming_result() -> None:
    driven = Driven(step("a"))
    driven.wait("a", START + 9)
    assert document(driven.state, START)["stepResults"]["a"] == {
        "stepId": "a",
        "status": "waiting",
        "attempts": 1,
        "startTime": START,
        "waitingFor": "timer",
        "waitingUntil": START + 9,
    }


def test_an_ended_execution_has_its_own_duration_whenever_one_looks() -> None:
    driven = Driven(step("a"))
    driven.after(70).succeed("a")
    shown = document(driven.state, START + 10_000)
    assert (shown["endTime"], shown["duration"]) == (START + 70, 70)


def test_the_brief_is_the_document_without_context_results_and_output() -> None:
    driven = Driven(step("a"), context={"big": "x"})
    driven.succeed("a", {"big": "y"})
    whole = document(driven.state, START)
    for key in ("context", "stepResults", "output"):
        del whole[key]
    assert brief(driven.state, START) == whole


def test_the_brief_of_a_running_execution_says_nothing_that_time_makes_untrue() -> None:
    driven = Driven(step("a"))
    assert brief(driven.state, START) == brief(driven.state, START + 99_999)


def test_the_picture_has_the_documented_shape() -> None:
    driven = Driven(
        step("validate", name="Validate Order"),
        step("charge", "validate"),
        step("ship", "charge"),
        name="Orders",
    )
    driven.after(234).succeed("validate", {"valid": True})
    assert visualize(driven.state, START + 5432) == {
        "executionId": "e-1",
        "workflowId": "w",
        "workflowVersion": 3,
        "workflowName": "Orders",
        "status": "running",
        "duration": 5432,
        "steps": [
            {
                "id": "validate",
                "name": "Validate Order",
                "status": "success",
                "attempts": 1,
                "dependencies": [],
                "duration": 234,
            },
            {
                "id": "charge",
                "name": "charge",
                "status": "running",
                "attempts": 1,
                "dependencies": ["validate"],
            },
            {"id": "ship", "name": "ship", "status": "pending", "attempts": 0, "dependencies": ["charge"]},
        ],
    }


def test_the_picture_shows_five_statuses_and_the_rest_as_detail() -> None:
    driven = Driven(
        step("retried", retry_policy=RETRYING),
        step("timed"),
        step("failing", optional=True),
        step("never", "retried"),
    )
    driven.fail("retried")
    driven.wait("timed", START + 9)
    driven.fail("failing")

    def drawn() -> dict[str, tuple[str, str | None]]:
        return {s["id"]: (s["status"], s.get("detail")) for s in visualize(driven.state, START)["steps"]}

    assert drawn() == {
        "retried": ("running", "retrying"),
        "timed": ("running", "waiting"),
        "failing": ("failed", None),
        "never": ("pending", None),
    }
    driven.take(inp.Cancel())
    assert drawn() == {
        "retried": ("skipped", "cancelled"),
        "timed": ("skipped", "cancelled"),
        "failing": ("failed", None),
        "never": ("skipped", "run_cancelled"),
    }


def test_a_cancelled_step_is_listed_as_such() -> None:
    driven = Driven(step("a"), step("b", "a"))
    driven.take(inp.Cancel(by="me"))
    shown = document(driven.state, START)
    assert (shown["status"], shown["cancelledSteps"], shown["skippedSteps"]) == ("cancelled", ["a"], ["b"])


def test_a_terminated_execution_says_so() -> None:
    driven = Driven(step("a"))
    driven.take(inp.Terminate(reason="enough"))
    assert document(driven.state, START)["error"] == {
        "stepId": None,
        "type": "terminated",
        "message": "enough",
    }
