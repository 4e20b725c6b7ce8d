"""Whether a definition's webhooks could be delivered at all: asked of the code that delivers them, when they are
registered, since a message that can never be sent would be found only among the dead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tenuto.actions.params import BadParams
from tenuto.errors import Problem
from tenuto.ports.store import OutboxMessage
from tenuto.runtime.delivery import build_delivery
from tenuto.runtime.signing import BadSecret

_KINDS = ("onComplete", "onFailure", "onStep", "onCancel")


def receiver_problems(document: Any) -> list[Problem]:
    """A problem for each receiver of a document (JSON data) that is of the right shape and that nothing could be sent to."""
    return [
        Problem(f"webhooks.{kind}", "undeliverable", f"Nothing can be sent there: {why}.")
        for kind, receiver in _receivers(document)
        if (why := _why_not(receiver)) is not None
    ]


def _receivers(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    webhooks = document.get("webhooks") if isinstance(document, dict) else None
    for kind in _KINDS:
        receiver = webhooks.get(kind) if isinstance(webhooks, dict) else None
        if isinstance(receiver, str):
            receiver = {"url": receiver}
        if isinstance(receiver, dict) and _is_shaped(receiver):
            yield kind, receiver


def _is_shaped(receiver: dict[str, Any]) -> bool:
    """Whether the check of shapes has nothing to say of it."""
    headers, secret = receiver.get("headers", {}), receiver.get("secret")
    return (
        isinstance(receiver.get("url"), str)
        and (secret is None or isinstance(secret, str))
        and isinstance(headers, dict)
        and all(isinstance(value, str) for value in headers.values())
    )


def _why_not(receiver: dict[str, Any]) -> str | None:
    message = OutboxMessage(
        key=0, event_id="", kind="", created_at=0, next_attempt_at=0, body=b"",
        url=receiver["url"], headers=receiver.get("headers", {}), secret=receiver.get("secret"),
    )  # fmt: skip
    try:
        build_delivery(message, 0)
    except (BadParams, BadSecret) as problem:
        return str(problem)
    return None
