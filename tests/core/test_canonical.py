"""Documents that mean the same are one version; what means something else is another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tenuto.core.canonical import canonical_json, digest_of
from tenuto.core.definition import Definition
from tenuto.core.suggest import closest, did_you_mean
from tenuto.core.truth import is_truthy

BASE: dict[str, Any] = {"id": "w", "steps": [{"id": "a", "params": {"x": {"b": 1, "a": [1, 2]}}}]}
STEP = BASE["steps"][0]


def canonical(document: dict[str, Any]) -> bytes:
    return canonical_json(msgspec.convert(document, Definition))


def with_step(**fields: Any) -> dict[str, Any]:
    return BASE | {"steps": [STEP | fields]}


SAME = {
    "keys in another order": {"steps": [{"params": {"x": {"a": [1, 2], "b": 1}}, "id": "a"}], "id": "w"},
    "defaults written out": BASE | {"name": "", "timeout": 0, "tags": {}, "onCriticalFailure": "continue"},
    "a default retry policy in parts": BASE
    | {"defaults": {"retryPolicy": {"maxDelay": 30_000, "jitter": 0}}},
    "defaults of a step": with_step(type="task", action="noop", dependencies=[], join="auto", totalTimeout=0),
}
OTHER = {
    "another param": with_step(params={"x": {"a": [2, 1], "b": 1}}),
    "another type of number": with_step(params={"x": {"a": [1.5, 2], "b": 1}}),
    "a timeout": with_step(timeout=60_000),
    "a policy of its own": with_step(retryPolicy={}),
    "critical, said so": with_step(critical=True),
    "an output that is null": BASE | {"output": None},
    "a tag": BASE | {"tags": {"a": "b"}},
    "an empty default of a decision": with_step(default=[]),
}


@pytest.mark.parametrize("how", SAME)
def test_what_means_the_same_is_the_same_bytes(how: str) -> None:
    assert canonical(SAME[how]) == canonical(BASE)


def test_what_differs_is_another_version() -> None:
    digests = [digest_of(canonical(document)) for document in (BASE, *OTHER.values())]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("document", [BASE, *OTHER.values()], ids=["base", *OTHER])
def test_the_canonical_form_means_what_was_written(document: dict[str, Any]) -> None:
    definition = msgspec.convert(document, Definition)
    assert msgspec.json.decode(canonical_json(definition), type=Definition) == definition
    assert canonical_json(msgspec.json.decode(canonical_json(definition), type=Definition)) == canonical_json(
        definition
    )


def test_a_digest_is_sha_256_in_hex() -> None:
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("value", [True, 1, -1, 0.5, "0", " ", [], {}, [0], "false"])
def test_true_is_what_javascript_takes_for_true(value: Any) -> None:
    assert is_truthy(value) is True


@pytest.mark.parametrize("value", [None, False, 0, 0.0, -0.0, ""])
def test_false_is_what_javascript_takes_for_false(value: Any) -> None:
    assert is_truthy(value) is False


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("max_attempts", ["maxAttempts", "timeout"], "maxAttempts"),
        ("timeut", ["timeout", "type"], "timeout"),
        ("chargePayment", ["charge-payment", "charge-payments"], "charge-payment"),
        ("xyz", ["timeout"], None),
        ("timeout", ["timeout"], None),
        ("a" * 100, ["b" * 100], None),
        ("step", [f"steps{i}" for i in range(2_000)], None),
    ],
)
def test_the_name_that_was_probably_meant(name: str, candidates: list[str], expected: str | None) -> None:
    assert closest(name, candidates) == expected
    assert did_you_mean(name, candidates) == (f" Did you mean `{expected}`?" if expected else "")
