"""From request bodies, checked, to what is asked of the host."""

from __future__ import annotations

from msgspec import UNSET

from tenuto.ports.host import Rerun, StartRequest, Who
from tenuto.wire.requests import check_key, read_control_body, read_rerun_body, read_start_body, workflow_of


def read_start(document: object, key: str | None = None) -> StartRequest:
    """The start that body and Idempotency-Key ask for. Raises Invalid with every problem."""
    body = read_start_body(document)
    if key is not None:
        check_key(key)
    workflow_id, version = workflow_of(body)
    return StartRequest(
        workflow_id=workflow_id,
        version=version,
        context=body.context,
        execution_id=None if body.execution_id is UNSET else body.execution_id,
        idempotency_key=key,
        priority=body.priority,
        tags=body.tags,
        start_at=None if body.start_at is UNSET else body.start_at,
    )


def read_rerun(document: object) -> tuple[Rerun, Who]:
    """What to do again, and who asks and why. Raises Invalid with every problem."""
    body = read_rerun_body(document)
    wish = Rerun(
        from_step=body.from_step,
        context=None if body.context is UNSET else body.context,
        version=None if body.version is UNSET else body.version,
        execution_id=None if body.execution_id is UNSET else body.execution_id,
    )
    return wish, Who(body.by, body.reason)


def read_who(document: object) -> Who:
    """Who asks and why; `document` is None where nothing was sent. Raises Invalid with every problem."""
    if document is None:
        return Who()
    body = read_control_body(document)
    return Who(body.by, body.reason)
