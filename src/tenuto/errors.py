"""The one error tree. Expected outcomes of user work are values, never exceptions; these are for mistakes of the
caller, of the surroundings, or of ours.

TenutoError
├── Invalid            what was sent does not fit; carries every problem found            (400)
│   └── DefinitionInvalid  a workflow definition with problems                            (400)
├── Forbidden          the asker may not do this                                          (403)
├── NotFound           no workflow, version or execution of that name                     (404)
├── Conflict           the request contradicts what is already so                         (409)
├── TooLarge           more bytes than a limit allows                                     (413)
├── Overloaded         this node takes no more work just now                              (429)
├── StoreError         the store failed
│   ├── StoreUnavailable   it cannot be reached or written at present; nothing was kept   (503)
│   ├── StoreIncompatible  its schema is newer than this program, or another server owns it
│   ├── UnreadableRecord   a journal record that is damaged, or of a newer program; its execution stands still
│   └── LeaseLost          another node owns these executions now; nothing was written
├── ScriptFailed       an expression or script gave an error, or was stopped at a limit
└── ConfigurationError a setting, flag or `--app` module that cannot work
"""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing wrong with what was sent: where (`steps[3].retryPolicy.maxAttempts`), a stable code, and a sentence."""

    path: str
    code: str
    message: str


class TenutoError(Exception):
    """Whatever Tenuto raises on purpose."""


class Invalid(TenutoError):
    """What was sent does not fit; `problems` names every place."""

    def __init__(self, problems: list[Problem], message: str | None = None) -> None:
        self.problems = problems
        super().__init__(
            message or "; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in problems)
        )


class DefinitionInvalid(Invalid):
    """A workflow definition with problems; nothing of it was registered."""


class Forbidden(TenutoError):
    """The asker may not do this: not among the approvers, or with a token that is not this step's."""


class NotFound(TenutoError):
    """No such workflow, version or execution."""


class Conflict(TenutoError):
    """The request contradicts what is already so, as an id used for something else or a verb that comes too late."""


class TooLarge(TenutoError):
    """More bytes than a limit allows."""


class Overloaded(TenutoError):
    """This node takes no more work just now; try again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class StoreError(TenutoError):
    """The store failed."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written at present; nothing of the request was kept."""


class StoreIncompatible(StoreError):
    """The store was made by a newer Tenuto, is not Tenuto's, or belongs to another server that is still running."""


class UnreadableRecord(StoreError):
    """A journal record that this version cannot read: damaged, or written by a newer Tenuto. Its execution stands
    still; no other is touched."""


class LeaseLost(StoreError):
    """Another node owns these executions now; the whole batch was refused."""


class ScriptFailed(TenutoError):
    """An expression or script ended in an error or was stopped at a limit. `kind` becomes the step error's type:
    `expression` (a condition or template), `script` (a transform's code) or `limit` (time, memory or size)."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class ConfigurationError(TenutoError):
    """A setting, flag or `--app` module that cannot work; the message says which and what would."""
