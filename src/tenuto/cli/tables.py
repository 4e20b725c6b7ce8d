"""Executions and workflows as people read them: lists in columns, one execution in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    table.add_row("duration", duration(_took(execution, now)))
    if execution.tags:
        table.add_row("tags", ", ".join(f"{key}={value}" for key, value in execution.tags.items()))
    if execution.error is not None:
        table.add_row("error", Text(_error_sentence(execution), "red"))
    return table


def _error_sentence(execution: Execution) -> str:
    error = execution.error
    assert error is not None, "only called for an execution with an error"
    where = f"{error.step_id}: " if error.step_id else ""
    return one_line(f"{where}{error.type}: {error.message}")


def _steps(execution: Execution, picture: Mapping[str, Any], output: Format) -> Text:
    now = now_ms()
    rows = []
    for drawn in picture["steps"]:
        step = execution.step_results.get(drawn["id"])
        if step is None:
            rows.append([drawn["id"], status_text("pending", output), "", "", ""])
            continue
        took = step.duration
        if took is None and step.start_time is not None:
            took = now - step.start_time
        status = status_text(step.status, output)
        rows.append(
            [step.step_id, status, str(step.attempts or ""), duration(took), Text(_told(step, now), "dim")]
        )
    return table(("step", "status", "tries", "took", ""), rows)


def _told(step: StepResult, now: int) -> str:
    """What is worth saying of a step: its result, its error, why it was skipped, what it waits for."""
    if step.status == "success":
        return short_json(step.result)
    if step.status == "skipped":
        return skip_sentence(step.reason or "", step.cause)
    told = one_line(f"{step.error.type}: {step.error.message}") if step.error else ""
    if step.status == "waiting":
        told = waiting_sentence(step.waiting_for)
    due = step.waiting_until or step.next_attempt_at
    if due is not None and step.status in ("waiting", "retrying"):
        told += f" (due in {duration(max(0, due - now))})"
    return told.strip()


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
