"""The Python client: everything the HTTP API does, from a program. Stands alone; it needs no server code."""

from tenuto.client.client import DEFAULT_URL, Client
from tenuto.client.errors import ApiError, ServerUnreachable
from tenuto.client.results import (
    Checked,
    Doubt,
    Execution,
    ExecutionError,
    ExplainedStep,
    Explanation,
    JournalEntry,
    Registered,
    Started,
    StepError,
    StepResult,
    Version,
    Workflow,
)
from tenuto.client.schedules import Backfill, NextTime, Rehearsal, Schedule, ScheduleCounts, ScheduledTime
from tenuto.client.sync import SyncClient

__all__ = [
    "DEFAULT_URL",
    "ApiError",
    "Backfill",
    "Checked",
    "Client",
    "Doubt",
    "Execution",
    "ExecutionError",
    "ExplainedStep",
    "Explanation",
    "JournalEntry",
    "NextTime",
    "Registered",
    "Rehearsal",
    "Schedule",
    "ScheduleCounts",
    "ScheduledTime",
    "ServerUnreachable",
    "Started",
    "StepError",
    "StepResult",
    "SyncClient",
    "Version",
    "Workflow",
]
