"""Executions and workflows as people read them: lists in columns, one execution in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tenuto.cli.live import now_ms
from tenuto.cli.options import Format
from tenuto.cli.output import one_line, table
from tenuto.cli.progress import skip_sentence, waiting_sentence
from tenuto.cli.signs import look, sign
from tenuto.cli.times import age, duration, instant
from tenuto.client import Execution, JournalEntry, StepResult, Workflow

SHORT = 200
"""Characters of a result that a line shows; `-o json` shows all."""


MOST_LIVE = 10
"""So many steps of items and rounds under way are shown."""


def execution_rows(executions: Sequence[Execution], output: Format) -> list[list[Text | str]]:
    """Id, status, workflow, duration, start, and the steps that are at work or failed."""
    now = now_ms()
    return [
        [
            execution.execution_id,
            status_text(execution.status, output),
            f"{execution.workflow_id}@{execution.workflow_version}",
            duration(_took(execution, now)),
            instant(execution.start_time) if output is Format.PLAIN else age(execution.start_time, now),
            _at_work(execution),
        ]
        for execution in executions
    ]


def workflow_rows(workflows: Sequence[Workflow]) -> list[list[str]]:
    """Id, version, number of steps, name."""
    return [
        [workflow.id, str(workflow.version), str(_step_count(workflow)), one_line(workflow.name)]
        for workflow in workflows
    ]


def journal_rows(entries: Sequence[JournalEntry], output: Format) -> tuple[list[str], list[list[Text | str]]]:
    """Headings, and a row per fact: number of the decision, the time since the start (plain output has the instant
    too), what, which step, the rest of it."""
    columns = ["no.", *(["at"] if output is Format.PLAIN else []), "after", "fact", "step", ""]
    rows: list[list[Text | str]] = []
    began = entries[0].at if entries else 0
    for entry in entries:
        at = [instant(entry.at)] if output is Format.PLAIN else []
        for event in entry.events:
            kind, step = str(event.get("type", "")), str(event.get("step", ""))
            rest = {key: value for key, value in event.items() if key not in ("type", "step")}
            told = Text(short_json(rest) if rest else "", "dim")
            rows.append([str(entry.seq), *at, duration(entry.at - began), kind, step, told])
    return columns, rows


def execution_view(execution: Execution, picture: Mapping[str, Any], output: Format) -> list[RenderableType]:
    """One execution: how it stands, each step, its output or its error."""
    view: list[RenderableType] = [_facts(execution, output), "", _steps(execution, picture, output)]
    if execution.status == "completed":
        view.append(Text.assemble(("output  ", "bold"), short_json(execution.output)))
    return view


def status_text(status: str, output: Format) -> Text:
    """A status with its sign and colour; plain output has the word alone."""
    if output is Format.PLAIN:
        return Text(status)
    return Text(f"{sign(status)} {status}", look(status).style)


def short_json(value: Any) -> str:
    """A value as compact JSON, cut where it is long."""
    text = one_line(msgspec.json.encode(value).decode())
    return text if len(text) <= SHORT else f"{text[:SHORT]}… ({len(text):,} characters)"


def _facts(execution: Execution, output: Format) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("execution", execution.execution_id)
    table.add_row("workflow", f"{execution.workflow_id}@{execution.workflow_version}")
    status = status_text(execution.status, output)
    if execution.phase != "normal" and not execution.is_final:
        status.append(f" ({execution.phase})")
    table.add_row("status", status)
    now = now_ms()
    table.add_row("started", f"{instant(execution.start_time)} ({age(execution.start_time, now)})")
    for name, told in _links(execution):
        table.add_row(name, one_line(told))
    table.add_row("duration", duration(_took(execution, now)))
    if execution.tags:
        table.add_row("tags", ", ".join(f"{key}={value}" for key, value in execution.tags.items()))
    if execution.error is not None:
        table.add_row("error", Text(_error_sentence(execution), "red"))
    return table


def _links(execution: Execution) -> Iterator[tuple[str, str]]:
    """What only some executions have: when it begins, where it comes from, who ended it, how much was undone."""
    raw = execution.raw
    if raw.get("startAt") is not None and execution.status == "pending":
        yield "begins", instant(raw["startAt"])
    if parent := raw.get("parent"):
        yield "parent", f"{parent['executionId']}, step {parent['stepId']}"
    if fork := raw.get("forkOf"):
        yield "rerun of", f"{fork['executionId']}, from step {fork['fromStep']}"
    if raw.get("cancelledBy") or raw.get("cancelReason"):
        said = [raw.get("cancelledBy"), raw.get("cancelReason")]
        yield "cancelled", ": ".join(str(part) for part in said if part)
    if undone := raw.get("compensation"):
        yield (
            "undone",
            {"complete": "all that had succeeded", "partial": "not all that had succeeded"}.get(
                undone, undone
            ),
        )


def _error_sentence(execution: Execution) -> str:
    error = execution.error
    assert error is not None, "only called for an execution with an error"
    where = f"{error.step_id}: " if error.step_id else ""
    return one_line(f"{where}{error.type}: {error.message}")


def _steps(execution: Execution, picture: Mapping[str, Any], output: Format) -> Text:
    now = now_ms()
    drawn = {step["id"]: step for step in picture["steps"]}
    rows = []
    for name, step in drawn.items():
        result = execution.step_results.get(name)
        if result is not None or _is_expected(step):
            rows.append(_step_row(_indented(name, drawn), result, execution, output, now))
    live = [result for name, result in execution.step_results.items() if name not in drawn]
    live.sort(key=lambda result: result.status == "running")
    rows += [_step_row(result.step_id, result, execution, output, now) for result in live[:MOST_LIVE]]
    if len(live) > MOST_LIVE:
        rows.append([f"and {len(live) - MOST_LIVE:,} more in items and rounds"])
    return table(("step", "status", "tries", "took", ""), [[*row, *[""] * (5 - len(row))] for row in rows])


def _is_expected(step: Mapping[str, Any]) -> bool:
    """Whether a step that nothing has happened to is worth a row: not a handler, which may never be needed, nor one
    that is inside what was skipped."""
    return step.get("status", "pending") == "pending" and "handlers" not in step


def _indented(step: str, drawn: Mapping[str, Mapping[str, Any]]) -> str:
    """The step's id, further in for each container it is in."""
    level, around = 0, drawn[step].get("parent")
    while around is not None:
        level, around = level + 1, drawn[around].get("parent")
    return "  " * level + step


def _step_row(
    name: str, step: StepResult | None, execution: Execution, output: Format, now: int
) -> list[Text | str]:
    if step is None:
        return [name, status_text("pending", output)]
    took = step.duration
    if took is None and step.start_time is not None:
        took = now - step.start_time
    told = Text(_told(step, execution, now), "dim")
    tries = (
        "" if step.rounds is not None else str(step.attempts or "")
    )  # a loop's say no more than its rounds
    return [name, status_text(step.status, output), tries, duration(took), told]


def _told(step: StepResult, execution: Execution, now: int) -> str:
    """What is worth saying of a step: its result, its error, why it was skipped, what it waits for, how far it is."""
    parts = [_progress(step)]
    match step.status:
        case "success":
            parts.append(short_json(step.result) + (" (kept from before)" if step.cached else ""))
        case "skipped":
            cause = execution.step_results.get(step.cause or "")
            parts.append(skip_sentence(step.reason or "", step.cause, cause.status if cause else None))
        case "cancelled":
            parts.append("not needed any more" if step.reason == "not_needed" else "")
        case "queued":
            parts += ["for its slots", _error_of(step)]
        case "waiting":
            parts += [waiting_sentence(step.waiting_for) + _due(step.waiting_until, now), _error_of(step)]
        case _:
            parts.append(_error_of(step) + _due(step.next_attempt_at, now))
    if step.by and step.status != "waiting":
        parts.append(f"by {step.by}")
    return "; ".join(part for part in parts if part)


def _progress(step: StepResult) -> str:
    """How far a map or a loop has come, and who has approved."""
    if step.items is not None:
        total, failed = step.items.get("total", 0), step.items.get("failed", 0)
        if step.status == "success" and not failed:
            return ""
        told = f"{step.items.get('succeeded', 0):,} of {total:,} items" + (
            f", {failed:,} failed" if failed else ""
        )
        running = step.items.get("running", 0)
        return told + (f", {running:,} under way" if running else "")
    if step.rounds is not None and step.status != "success":
        return f"round {step.rounds - 1:,}"
    if step.approvals and step.status == "waiting":
        needed = (step.details or {}).get("minApprovals", 1)
        by = ", ".join(str(answer.get("by")) for answer in step.approvals)
        return f"{len(step.approvals)} of {needed} approvals ({by})"
    return ""


def _error_of(step: StepResult) -> str:
    return one_line(f"{step.error.type}: {step.error.message}") if step.error else ""


def _due(due: int | None, now: int) -> str:
    return "" if due is None else f" (due in {duration(max(0, due - now))})"


def _took(execution: Execution, now: int) -> int | None:
    if execution.duration is not None or execution.start_time is None:
        return execution.duration
    return max(0, now - execution.start_time)


def _at_work(execution: Execution) -> Text:
    if execution.failed_steps and not execution.current_steps:
        return Text(_few(execution.failed_steps), "red")
    return Text(_few(execution.current_steps), "dim")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _step_count(workflow: Workflow) -> int | str:
    counted = workflow.raw.get("stepCount", workflow.raw.get("steps"))
    if isinstance(counted, list):
        return len(counted)
    return counted if isinstance(counted, int) else ""
