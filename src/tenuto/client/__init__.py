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
from tenuto.client.sync import SyncClient

__all__ = [
    "DEFAULT_URL",
    "ApiError",
    "Checked",
    "Client",
    "Doubt",
    "Execution",
    "ExecutionError",
    "ExplainedStep",
    "Explanation",
    "JournalEntry",
    "Registered",
    "ServerUnreachable",
    "Started",
    "StepError",
    "StepResult",
    "SyncClient",
    "Version",
    "Workflow",
]
