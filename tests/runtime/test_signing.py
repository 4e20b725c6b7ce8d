"""Signatures of webhooks."""

from __future__ import annotations

import pytest

from tenuto.runtime.signing import BadSecret, key_of, sign, webhook_headers


@pytest.mark.parametrize(
    ("secret", "message_id", "timestamp", "body", "signature"),
    [
        # From the test suite of the specification's reference libraries.
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        # From the documentation of a sender that follows it.
        (
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
            "msg_loFOjxBNrRLzqYUf",
            1731705121,
            b'{"event_type":"ping","data":{"success":true}}',
            "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        ),
    ],
)
def test_signatures_are_those_that_were_published(
    secret: str, message_id: str, timestamp: int, body: bytes, signature: str
) -> None:
    assert sign(secret, message_id, timestamp, body) == signature
    assert webhook_headers(message_id, timestamp, body, secret) == {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }


def test_without_a_secret_there_is_no_signature() -> None:
    assert webhook_headers("e", 5, b"", None) == {"webhook-id": "e", "webhook-timestamp": "5"}


def test_an_id_has_no_full_stop_that_could_move_the_limits_of_what_is_signed() -> None:
    headers = webhook_headers("exec.1.7", 5, b"{}", "plain text")
    assert headers["webhook-id"] == "exec:1:7"
    assert headers["webhook-signature"] == sign("plain text", "exec:1:7", 5, b"{}")


def test_a_secret_is_base64_after_its_prefix_and_text_otherwise() -> None:
    assert key_of("whsec_aGVsbG8=") == key_of("whsec_aGVsbG8") == b"hello"
    assert key_of("aGVsbG8=") == b"aGVsbG8="


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_", "", "whsec_ü"])
def test_a_secret_that_cannot_be_a_key_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(BadSecret) as refused:
        key_of(secret)
    assert "not base64!" not in str(refused.value)
    assert "ü" not in str(refused.value)
