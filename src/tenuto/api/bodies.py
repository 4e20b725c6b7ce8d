"""From request bodies, checked, to what is asked of the host."""

from __future__ import annotations

from msgspec import UNSET

from tenuto.ports.host import StartRequest, Who
from tenuto.wire.requests import check_key, read_control_body, read_start_body, workflow_of


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
    )


def read_who(document: object) -> Who:
    """Who asks and why; `document` is None where nothing was sent. Raises Invalid with every problem."""
    if document is None:
        return Who()
    body = read_control_body(document)
    return Who(body.by, body.reason)
