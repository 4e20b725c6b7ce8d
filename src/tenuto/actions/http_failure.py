"""What an unwelcome answer makes of an attempt: a failure `http.<status>` that shows what the service said."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tenuto.actions.body import decode_body
from tenuto.actions.call_params import shown
from tenuto.actions.http_client import Answer, Call
from tenuto.actions.json_data import TooDeep
from tenuto.actions.retry_after import retry_after_ms
from tenuto.core.events import StepError
from tenuto.ports.action import Failed

ERROR_BODY_LIMIT = 16 * 1024
"""Bytes read of the body of an answer that is a failure."""

_SHOWN_IN_MESSAGE = 300
_SHOWN_IN_DETAILS = 2000


def http_failure(call: Call, answer: Answer, now: int) -> Failed:
    """The failure: type `http.<status>`, a message with the start of the body, `details` {status, body?} (parsed if it
    is JSON of at most 16 KiB, else the start of the text), and Retry-After of a 429 or 503. `now` in ms since 1970."""
    details: dict[str, Any] = {"status": answer.status}
    body = _body(answer)
    if body is not None:
        details["body"] = body
    message = f"{call.method} {shown(call.url)} answered {_status(answer.status)}{_hint(answer)}"
    start = _start(answer)
    return Failed(
        StepError(f"http.{answer.status}", f"{message}: {start}" if start else message, details),
        retry_after_ms=retry_after_ms(answer.status, answer.headers.get("Retry-After"), now),
    )


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _hint(answer: Answer) -> str:
    if 300 <= answer.status <= 399 and "Location" in answer.headers:
        return " (redirects are followed only with `redirects: true`)"
    return ""


def _body(answer: Answer) -> Any:
    try:
        body = decode_body(answer.body, answer.content_type)
    except TooDeep:
        return None
    if isinstance(body, str) or not answer.is_whole:
        return _text(answer)[:_SHOWN_IN_DETAILS] or None
    return body


def _start(answer: Answer) -> str:
    return " ".join(_text(answer)[: 2 * _SHOWN_IN_MESSAGE].split())[:_SHOWN_IN_MESSAGE]


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace") if _is_text(answer) else ""


def _is_text(answer: Answer) -> bool:
    return b"\0" not in answer.body
