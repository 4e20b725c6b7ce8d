"""What people do to an execution: cancel, terminate, pause, resume, retry, rerun. Each is journaled with who and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from tenuto.api import shapes
from tenuto.api.bodies import read_rerun, read_who
from tenuto.api.call import Call, answer
from tenuto.api.routing import Handler, Reply, Route
from tenuto.core.state import State
from tenuto.core.view import document
from tenuto.ports.host import Host, Who
from tenuto.wire.requests import ControlBody, RerunBody

TAG = "Control"

Verb = Callable[[Host, str, Who], Awaitable[State]]


def _handler(verb: Verb, *, is_end: bool) -> Handler:
    """A handler of the verb. An end that is not reached yet (steps still finish) is answered 202."""

    async def control(call: Call) -> Response:
        who = read_who(await call.read_optional_json())
        state = await verb(call.host, call.path["executionId"], who)
        return answer(document(state, call.now()), 202 if is_end and not state.is_terminal else 200)

    return control


def _route(
    name: str, verb: Verb, summary: str, description: str, refused: str, *, is_end: bool = False
) -> Route:
    replies = [
        Reply(200, "done: the document", shapes.Execution),
        Reply(409, refused, shapes.ProblemDetails),
    ]
    if is_end:
        replies.insert(1, Reply(202, "under way: the document", shapes.Execution))
    return Route(
        "POST",
        f"/executions/{{executionId}}/{name}",
        _handler(verb, is_end=is_end),
        tag=TAG,
        summary=summary,
        description=description,
        body=ControlBody,
        body_required=False,
        replies=replies,
    )


async def rerun(call: Call) -> Response:
    """Start a new execution that does one of its steps, and all after it, again."""
    wish, who = read_rerun(await call.read_json())
    started = await call.host.rerun(call.path["executionId"], wish, who)
    where = {"location": f"/executions/{started.execution_id}"}
    return answer({"executionId": started.execution_id}, 201 if started.created else 200, where)


_WHERE = (("Location", "the new execution's path"),)

ROUTES = (
    _route(
        "cancel",
        lambda host, execution_id, who: host.cancel(execution_id, who),
        "Cancel an execution",
        "Running attempts are given up and nothing more starts; then its handlers and compensations run.",
        "it has ended, is being cancelled, or its handlers or compensations run",
        is_end=True,
    ),
    _route(
        "terminate",
        lambda host, execution_id, who: host.terminate(execution_id, who),
        "End an execution at once",
        "Ends it in whatever state it is, without any cleaning up.",
        "it has ended",
    ),
    _route(
        "pause",
        lambda host, execution_id, who: host.pause(execution_id, who),
        "Pause an execution",
        "Nothing new starts and timers are held; running attempts finish and are recorded.",
        "it is not running",
    ),
    _route(
        "resume",
        lambda host, execution_id, who: host.resume(execution_id, who),
        "Resume a paused execution",
        "Goes on where it was paused. Time spent paused counts towards no timeout.",
        "it is not paused",
    ),
    _route(
        "retry",
        lambda host, execution_id, who: host.retry(execution_id, who),
        "Retry a failed execution",
        "Does failed critical steps, cancelled steps and everything after them again; the rest keeps its results.",
        "it has not failed",
    ),
    Route(
        "POST",
        "/executions/{executionId}/rerun",
        rerun,
        tag=TAG,
        summary="Do an execution again from a step on",
        description="A new execution, in which what came before that step is copied and not done again. This one is left "
        "as it is, whatever its status. With an `executionId` of your own, the same call again answers the same execution.",
        body=RerunBody,
        replies=[
            Reply(201, "started", shapes.StartedExecution, headers=_WHERE),
            Reply(200, "this rerun had been started before", shapes.StartedExecution, headers=_WHERE),
            Reply(404, "no such execution, step or version", shapes.ProblemDetails),
            Reply(409, "the id was used for another request", shapes.ProblemDetails),
            Reply(
                429,
                "too many executions are under way",
                shapes.ProblemDetails,
                headers=(("Retry-After", "seconds"),),
            ),
        ],
    ),
)
