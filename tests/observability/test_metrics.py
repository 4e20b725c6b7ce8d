from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tenuto.core import events as ev
from tenuto.errors import ScriptFailed
from tenuto.observability.measured import MeasuredScripts, measured_delivery
from tenuto.observability.metrics import Metrics
from tenuto.observability.telemetry import MeasuredTelemetry
from tenuto.ports.script import Script
from tenuto.ports.store import OutboxMessage


def lines(metrics: Metrics) -> set[str]:
    return set(metrics.text().decode().splitlines())


def test_events_are_counted_by_what_they_say() -> None:
    metrics = Metrics()
    telemetry = MeasuredTelemetry(metrics)
    error = ev.StepError("http.503", "down")
    telemetry.recorded(
        "w",
        [
            ev.ExecutionStarted(execution_id="e", workflow_id="w", version=1, context={}),
            ev.StepStarted(step="a", attempt=1),
            ev.AttemptFailed(step="a", attempt=1, error=error, retry_at=5),
            ev.StepStarted(step="a", attempt=2),
            ev.StepSucceeded(step="a", attempt=2),
            ev.StepFailed(step="b", attempt=1, error=error),
            ev.StepSkipped(step="c", reason="upstream_failed"),
            ev.ExecutionFailed(error=error, step="b"),
        ],
    )
    telemetry.committed(3, 0.004)
    telemetry.refused("w", "too late")
    telemetry.live(5)
    assert lines(metrics) >= {
        "tenuto_executions_started_total 1.0",
        "tenuto_attempts_total 2.0",
        'tenuto_steps_ended_total{status="success"} 1.0',
        'tenuto_steps_ended_total{status="failed"} 1.0',
        'tenuto_steps_ended_total{status="skipped"} 1.0',
        'tenuto_executions_ended_total{status="failed"} 1.0',
        'tenuto_commit_seconds_bucket{le="0.005"} 1.0',
        'tenuto_commit_records_bucket{le="4.0"} 1.0',
        "tenuto_inputs_refused_total 1.0",
        "tenuto_executions_live 5.0",
    }


def test_two_in_one_process_never_mix() -> None:
    one, other = Metrics(), Metrics()
    one.recorded([ev.ExecutionStarted(execution_id="e", workflow_id="w", version=1, context={})])
    assert "tenuto_executions_started_total 0.0" in lines(other)


def test_each_time_stands_under_every_bound_it_does_not_exceed() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.003, 100.0):
        metrics.http_request("/x", 200, seconds)
    metrics.http_request("/x", 404, 0.003)
    labels = 'route="/x",status="200"'
    assert lines(metrics) >= {
        f'tenuto_http_request_seconds_bucket{{le="0.0005",{labels}}} 1.0',
        f'tenuto_http_request_seconds_bucket{{le="0.002",{labels}}} 1.0',
        f'tenuto_http_request_seconds_bucket{{le="0.005",{labels}}} 2.0',
        f'tenuto_http_request_seconds_bucket{{le="60.0",{labels}}} 2.0',
        f'tenuto_http_request_seconds_bucket{{le="+Inf",{labels}}} 3.0',
        f"tenuto_http_request_seconds_count{{{labels}}} 3.0",
        f"tenuto_http_request_seconds_sum{{{labels}}} 100.0035",
        'tenuto_http_request_seconds_count{route="/x",status="404"} 1.0',
    }


def test_what_has_no_labels_is_told_before_it_comes_about() -> None:
    assert lines(Metrics()) >= {
        "tenuto_executions_started_total 0.0",
        "tenuto_attempts_total 0.0",
        "tenuto_inputs_refused_total 0.0",
        "tenuto_commit_seconds_count 0.0",
        "tenuto_executions_live 0.0",
    }


class Scripts:
    """Answers with the source, or fails with the kind that it names."""

    async def evaluate(self, script: Script, scope: Mapping[str, Any]) -> Any:
        if script.source in ("limit", "expression"):
            raise ScriptFailed(script.source, "no")
        return script.source

    async def check(self, script: Script) -> str | None:
        return script.source

    async def close(self) -> None:
        return None


async def test_scripts_are_timed_by_how_they_ended() -> None:
    told: list[str] = []
    scripts = MeasuredScripts(Scripts(), lambda outcome, seconds: told.append(f"{outcome} {seconds >= 0}"))
    assert await scripts.evaluate(Script("body", "x"), {}) == "x"
    for kind in ("limit", "expression"):
        with pytest.raises(ScriptFailed):
            await scripts.evaluate(Script("expression", kind), {})
    assert await scripts.check(Script("body", "why")) == "why"
    assert told == ["ok True", "limit True", "error True"]


class Verdict(NamedTuple):
    """How it went."""

    verdict: str


async def test_deliveries_are_counted_by_verdict() -> None:
    told: list[str] = []

    async def deliver(message: OutboxMessage) -> Verdict:
        return Verdict(message.kind)

    measured = measured_delivery(deliver, told.append)
    for kind in ("sent", "again"):
        message = OutboxMessage(key=1, event_id="e", kind=kind, url="u", body=b"", created_at=0)
        assert (await measured(message)).verdict == kind
    assert told == ["sent", "again"]
