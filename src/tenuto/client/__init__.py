"""The Python client: everything the HTTP API does, from a program. Stands alone; it needs no server code."""

from tenuto.client.administration import SharedLimit
from tenuto.client.bulk import BulkError, BulkJob, BulkMatch
from tenuto.client.client import DEFAULT_URL, Client
from tenuto.client.errors import ApiError, ServerUnreachable
from tenuto.client.rehearsal import Rehearsed, RehearsedCall, RehearsedExpectation, RehearsedMoment
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
    "BulkError",
    "BulkJob",
    "BulkMatch",
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
    "Rehearsed",
    "RehearsedCall",
    "RehearsedExpectation",
    "RehearsedMoment",
    "Schedule",
    "ScheduleCounts",
    "ScheduledTime",
    "ServerUnreachable",
    "SharedLimit",
    "Started",
    "StepError",
    "StepResult",
    "SyncClient",
    "Version",
    "Workflow",
]
