"""The headers that tell a receiver which step calls it: the same for every attempt where that lets it recognise a
repetition, and worked out from ids alone so that nothing needs to be kept."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import quote

from tenuto.ports.action import ActionRequest


def trace_headers(request: ActionRequest) -> dict[str, str]:
    """Idempotency-Key, X-Tenuto-* and traceparent of an attempt's outgoing call."""
    return {
        "Idempotency-Key": _visible(request.step_key),
        "X-Tenuto-Execution-Id": _visible(request.execution_id),
        "X-Tenuto-Step-Id": _visible(request.instance_id or request.step_id),
        "X-Tenuto-Attempt": str(request.attempt),
        "traceparent": traceparent(request.execution_id, request.step_key, request.attempt),
    }


def traceparent(execution_id: str, step_key: str, attempt: int) -> str:
    """W3C Trace Context, version 00, sampled: one trace per execution, one span per attempt."""
    trace_id = sha256(f"tenuto:{execution_id}".encode()).hexdigest()[:32]
    span_id = sha256(f"tenuto:{step_key}#{attempt}".encode()).hexdigest()[:16]
    return f"00-{trace_id}-{span_id}-01"


def _visible(text: str) -> str:
    # Ids are plain ASCII; anything else is escaped, since a header cannot carry it.
    return quote(text, safe="!#$%&'()*+,-./:;<=>?@[]^_`{|}~")
