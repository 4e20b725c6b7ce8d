"""What people and other systems say to an execution and to its steps: signals, answers to approvals, callbacks, and
verbs by hand. Each is journaled with who and why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from tenuto.api import query, shapes
from tenuto.api.bodies import read_who
from tenuto.api.call import Call, answer
from tenuto.api.routing import Handler, Reply, Route
from tenuto.core.events import StepError
from tenuto.core.inputs import Approve, Complete, RetryStep, Signal, SkipStep
from tenuto.core.state import State
from tenuto.core.view import document
from tenuto.errors import Forbidden, NotFound
from tenuto.wire.requests import ControlBody, check_key
from tenuto.wire.steps import (
    AnswerBody,
    CompleteBody,
    FailBody,
    Failure,
    SignalBody,
    read_answer,
    read_complete,
    read_fail,
    read_failure,
    read_signal,
)

TAG = "Steps and signals"

Verb = Approve | Complete | SkipStep | RetryStep


async def signal(call: Call) -> Response:
    """Send the execution a message."""
    sent = await call.read_optional_json()
    body = SignalBody() if sent is None else read_signal(sent)
    key = call.find_header(b"idempotency-key")
    if key is not None:
        check_key(key)
    await call.host.signal(
        call.path["executionId"], Signal(call.path["signalName"], body.payload, key, body.by)
    )
    return answer({"accepted": True}, 202)


async def approve(call: Call) -> Verb:
    """A person approves."""
    return _answered(call, read_answer(await call.read_json()), approved=True)


async def reject(call: Call) -> Verb:
    """A person rejects."""
    return _answered(call, read_answer(await call.read_json()), approved=False)


def _answered(call: Call, body: AnswerBody, *, approved: bool) -> Approve:
    return Approve(call.path["stepId"], body.by, approved, body.comment, body.data)


async def complete(call: Call) -> Verb:
    """A person says what the step returned."""
    sent = await call.read_optional_json()
    body = CompleteBody() if sent is None else read_complete(sent)
    return Complete(call.path["stepId"], body.result, None, body.by, body.reason)


async def fail(call: Call) -> Verb:
    """A person says what the step failed of."""
    body, failure = read_fail(await call.read_json())
    return Complete(call.path["stepId"], None, _error(failure), body.by, body.reason)


async def skip(call: Call) -> Verb:
    """A person has the step left out."""
    return SkipStep(call.path["stepId"], *read_who(await call.read_optional_json()))


async def retry(call: Call) -> Verb:
    """A person has the step tried again."""
    return RetryStep(call.path["stepId"], *read_who(await call.read_optional_json()))


def _error(failure: Failure) -> StepError:
    return StepError(failure.type, failure.message, failure.details)


def _by_hand(read: Callable[[Call], Awaitable[Verb]]) -> Handler:
    """Do what the body says, and answer the document."""

    async def act(call: Call) -> Response:
        state = await call.host.act(call.path["executionId"], await read(call))
        return answer(document(state, call.now()))

    return act


def _by_callback_or_hand(by_hand: Handler, *, fails: bool) -> Handler:
    """With a token in the URL, whoever has it reports the step's end, and the whole body is the report; it learns
    nothing of the execution."""

    async def act(call: Call) -> Response:
        token = call.query["token"]
        if token is None:
            return await by_hand(call)
        execution_id, step_id = call.path["executionId"], call.path["stepId"]
        generation = await _generation_of(call, token)
        sent = await call.read_optional_json()
        result, error = (None, _error(read_failure(sent))) if fails else (sent, None)
        await call.host.act(execution_id, Complete(step_id, result, error, generation=generation))
        return answer({"accepted": True})

    return act


async def _generation_of(call: Call, token: str) -> int:
    """The generation of the step that the token was made for: this one, or one before. Raises NotFound, Forbidden."""
    execution_id, step_id = call.path["executionId"], call.path["stepId"]
    state = await call.host.read(execution_id)
    if not state.knows_step(step_id):
        raise NotFound(f"workflow {state.workflow_id!r} has no step {step_id!r}")
    for generation in range(_latest_generation(state, step_id), -1, -1):
        if call.host.callbacks.check(token, execution_id, step_id, generation):
            return generation
    raise Forbidden(f"this is not the token of step {step_id!r}")


def _latest_generation(state: State, step_id: str) -> int:
    """That of the step; of one that is not there now, as in an item that has ended, no later than any step's."""
    step = state.find_step(step_id)
    return state.retries if step is None else step.generation


_EXECUTION = "/executions/{executionId}"
_STEP = _EXECUTION + "/steps/{stepId}"
_FULL = (("Retry-After", "seconds"),)
_TOKEN = query.text("token", "that of a callback URL: then the whole body, any JSON or none, is the report")


def _route(name: str, handler: Handler, summary: str, description: str, body: Any, **more: Any) -> Route:
    replies = [
        Reply(200, "done: the document", shapes.Execution),
        Reply(404, "no such execution, or no such step now", shapes.ProblemDetails),
        Reply(409, "it comes too late, or does not fit the step's status", shapes.ProblemDetails),
    ]
    if body is AnswerBody:
        replies.append(Reply(403, "not among the step's approvers", shapes.ProblemDetails))
    if "parameters" in more:
        replies[0] = Reply(
            200,
            "done: the document; with a token nothing but `accepted`",
            (shapes.Execution, shapes.Accepted),
        )
        replies.append(Reply(403, "the token is not this step's", shapes.ProblemDetails))
    return Route(
        "POST", f"{_STEP}/{name}", handler, tag=TAG, summary=summary, description=description, body=body,
        replies=replies, **more,
    )  # fmt: skip


ROUTES = (
    Route(
        "POST",
        f"{_EXECUTION}/signals/{{signalName}}",
        signal,
        tag=TAG,
        summary="Send a signal",
        description="The step that has waited longest for this name takes it; where none waits, it is kept for the next that "
        "does. The same name and `Idempotency-Key` again is the same signal.",
        body=SignalBody,
        body_required=False,
        header_parameters=[
            query.text("Idempotency-Key", "the same key and name again are the same signal", 255)
        ],
        replies=[
            Reply(202, "it is on disk", shapes.Accepted),
            Reply(409, "the execution has ended", shapes.ProblemDetails),
            Reply(
                429,
                "so many signals wait to be taken that no more are kept",
                shapes.ProblemDetails,
                headers=_FULL,
            ),
        ],
    ),
    _route(
        "approve",
        _by_hand(approve),
        "Approve",
        "A person approves of what an approval step asks. It succeeds once `minApprovals` people have.",
        AnswerBody,
    ),
    _route(
        "reject",
        _by_hand(reject),
        "Reject",
        "A person rejects what an approval step asks; it fails, with the error `rejected`.",
        AnswerBody,
    ),
    _route(
        "complete",
        _by_callback_or_hand(_by_hand(complete), fails=False),
        "Complete a step",
        "By hand: a step that has not ended succeeds with that result; its attempt, if one runs, is given up. As a callback "
        "URL, with `token`: the step that waits for it succeeds with the whole body as its result; once only.",
        CompleteBody,
        body_required=False,
        parameters=[_TOKEN],
    ),
    _route(
        "fail",
        _by_callback_or_hand(_by_hand(fail), fails=True),
        "Have a step fail",
        "By hand: a step that has not ended fails, without another attempt. As a callback URL, with `token`: the attempt that "
        "waits for it fails, and is retried as the step says.",
        FailBody,
        body_required=False,
        parameters=[_TOKEN],
    ),
    _route(
        "skip",
        _by_hand(skip),
        "Skip a step",
        "A step that has not ended is skipped (`manual_skip`), and so is what comes only after it. To have those run, complete "
        "it instead.",
        ControlBody,
        body_required=False,
    ),
    _route(
        "retry",
        _by_hand(retry),
        "Retry a step",
        "At once where it waits for its next attempt or for a person. A step that has failed in an execution that has failed is "
        "done again with all that comes after it.",
        ControlBody,
        body_required=False,
    ),
)
