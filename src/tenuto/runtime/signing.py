"""Signatures of webhooks, as the Standard Webhooks specification 1.0 (standardwebhooks.com) has them: HMAC-SHA256 over
`id.timestamp.body`, so that a receiver can check who sent a message, that nobody changed it, and when it was sent."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


class BadSecret(ValueError):
    """A secret that cannot be a key. The message never repeats it."""


def webhook_headers(event_id: str, timestamp_s: int, body: bytes, secret: str | None) -> dict[str, str]:
    """The headers webhook-id, webhook-timestamp (seconds since 1970, of this attempt) and, where there is a secret,
    webhook-signature. Raises BadSecret."""
    message_id = webhook_id(event_id)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp_s)}
    if secret is not None:
        headers["webhook-signature"] = sign(secret, message_id, timestamp_s, body)
    return headers


def webhook_id(event_id: str) -> str:
    """The id a receiver sees. What is signed is delimited by full stops, so an id must not have any: an execution id
    chosen by a user could otherwise move the limits between id, timestamp and body."""
    return event_id.replace(".", ":")


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """One signature, `v1,<base64>`. Raises BadSecret."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def key_of(secret: str) -> bytes:
    """The key's bytes: base64 after `whsec_`, else the text itself. Raises BadSecret."""
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        encoded = secret.removeprefix(_PREFIX)
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise BadSecret(
                "the webhook's secret begins with whsec_, and what follows is not base64"
            ) from None
    if not key:
        raise BadSecret("the webhook's secret is empty")
    return key
