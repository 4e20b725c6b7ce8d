"""Tenuto: a durable workflow orchestrator. The public door: everything users import stands here, and is loaded when it
is first asked for, so that a command of the client does not pay for the engine."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tenuto.actions.custom import ExecutorContext, StepFailed
    from tenuto.bootstrap import Engine, Settings
    from tenuto.client import ApiError, Client
    from tenuto.errors import (
        ConfigurationError,
        Conflict,
        DefinitionInvalid,
        Forbidden,
        Invalid,
        NotFound,
        Overloaded,
        StoreError,
        StoreUnavailable,
        TenutoError,
    )

_DOORS = {
    "ApiError": "tenuto.client",
    "Client": "tenuto.client",
    "ConfigurationError": "tenuto.errors",
    "Conflict": "tenuto.errors",
    "DefinitionInvalid": "tenuto.errors",
    "Engine": "tenuto.bootstrap",
    "ExecutorContext": "tenuto.actions.custom",
    "Forbidden": "tenuto.errors",
    "Invalid": "tenuto.errors",
    "NotFound": "tenuto.errors",
    "Overloaded": "tenuto.errors",
    "Settings": "tenuto.bootstrap",
    "StepFailed": "tenuto.actions.custom",
    "StoreError": "tenuto.errors",
    "StoreUnavailable": "tenuto.errors",
    "TenutoError": "tenuto.errors",
}

__all__ = [
    "ApiError",
    "Client",
    "ConfigurationError",
    "Conflict",
    "DefinitionInvalid",
    "Engine",
    "ExecutorContext",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Overloaded",
    "Settings",
    "StepFailed",
    "StoreError",
    "StoreUnavailable",
    "TenutoError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module 'tenuto' has no attribute {name!r}")
    return getattr(import_module(_DOORS[name]), name)
