"""Bulk jobs over HTTP: one verb for many executions."""

from __future__ import annotations

from starlette.responses import Response

from tenuto.api import shapes
from tenuto.api.call import Call, answer
from tenuto.api.routing import Reply, Route
from tenuto.ports.bulk import BulkJob, BulkMatch
from tenuto.wire.bulk import BulkBody, read_bulk

TAG = "Bulk"
_JOB = "/executions/bulk/{jobId}"


async def begin(call: Call) -> Response:
    """Begin a job, or say what it would find."""
    body = read_bulk(await call.read_json(unique_keys=True))
    if body.dry_run:
        return answer(await call.around.bulk.rehearse(body))
    job = await call.around.bulk.begin(body)
    return answer(job, 202, {"location": f"/executions/bulk/{job.job_id}"})


async def list_jobs(call: Call) -> Response:
    """The jobs that are remembered."""
    return answer(await call.around.bulk.list_jobs())


async def get(call: Call) -> Response:
    """How far a job is."""
    return answer(await call.around.bulk.get(call.path["jobId"]))


async def cancel(call: Call) -> Response:
    """Do no more of a job."""
    return answer(await call.around.bulk.cancel(call.path["jobId"]))


ROUTES = (
    Route(
        "POST", "/executions/bulk", begin, tag=TAG, summary="Do a verb to many executions",
        description="A job finds every execution that fits the filter and was started before it, then does the verb to each, "
        "the newest first; it goes on across restarts. Executions that are not in a status for the verb are skipped. With "
        "`dryRun` it says how many it would find.",
        body=BulkBody,
        replies=[
            Reply(202, "begun", BulkJob, headers=(("Location", "the job's path"),)),
            Reply(200, "with `dryRun`: what it would find", BulkMatch),
            Reply(409, "too many jobs are under way", shapes.ProblemDetails),
        ],
    ),
    Route(
        "GET", "/executions/bulk", list_jobs, tag=TAG, summary="List bulk jobs, newest first",
        description="Those under way, and the last hundred that are over.",
        replies=[Reply(200, "jobs", list[BulkJob])],
    ),
    Route(
        "GET", _JOB, get, tag=TAG, summary="Get a bulk job",
        replies=[Reply(200, "how far it is", BulkJob)],
    ),
    Route(
        "DELETE", _JOB, cancel, tag=TAG, summary="Cancel a bulk job",
        description="No more of it is done; what it has done stays.",
        replies=[
            Reply(200, "cancelled", BulkJob),
            Reply(409, "it is over", shapes.ProblemDetails),
        ],
    ),
)  # fmt: skip
