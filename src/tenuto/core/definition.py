"""What a workflow definition is, as data: the Structs that a registered JSON document decodes into.

The JSON Schema that checks and documents definitions is generated from these types; defaults of the language live
here and nowhere else. Nothing here decides anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Id = Annotated[str, Meta(pattern=ID_PATTERN, description="1 to 128 of A-Z a-z 0-9 . _ - ; the first alphanumeric")]
Millis = Annotated[int, Meta(ge=0, le=315_360_000_000, description="milliseconds, at most ten years")]
ErrorPattern = Annotated[
    str, Meta(min_length=1, max_length=200, description="an error type (http.503), a class (http.5xx, http) or *")
]
Url = Annotated[str, Meta(min_length=1, max_length=8192)]
Join = Literal["auto", "all_success", "none_failed", "all_done", "one_success", "one_failed", "all_failed"]
StepType = Literal["task", "decision", "parallel"]
OnCriticalFailure = Literal["continue", "drain", "cancel"]

DEFAULT_TIMEOUT_MS = 60_000
"""How long one attempt may take where neither the step nor `defaults` says."""

INFRA_ATTEMPTS = 3
"""How many attempts of a step may be lost to crashes before that fails it (they do not use up `maxAttempts`)."""


class Spec(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The way every part of a definition is written: camelCase keys, unknown keys refused."""


class RetryPolicy(Spec, kw_only=True):
    """When and how often a failed attempt is tried again. Delays in milliseconds; `maxAttempts` counts the first."""

    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 1
    initial_delay: Millis = 1000
    backoff_multiplier: Annotated[float, Meta(ge=1, le=1000)] = 2
    max_delay: Millis = 30_000
    jitter: Annotated[float, Meta(ge=0, le=1, description="a fraction of the delay, added or taken away")] = 0
    retry_on: Annotated[tuple[ErrorPattern, ...], Meta(max_length=100)] = ()
    no_retry_on: Annotated[tuple[ErrorPattern, ...], Meta(max_length=100)] = ()
    on_exhausted: Literal["fail"] = "fail"


class Case(Spec, kw_only=True):
    """One way out of a decision: the steps in `next` run when `when` holds."""

    when: Annotated[str, Meta(min_length=1)]
    next: Annotated[tuple[Id, ...], Meta(max_length=10_000)]


class StepSpec(Spec, kw_only=True):
    """One step, as written. What is absent and has a workflow-wide default stays UNSET (see `Defaults`)."""

    id: Id
    name: Annotated[str, Meta(max_length=1000)] = ""
    description: Annotated[str, Meta(max_length=20_000)] = ""
    type: StepType = "task"
    action: Annotated[str, Meta(min_length=1, max_length=200)] = "noop"
    params: dict[str, Any] = field(default_factory=dict)
    dependencies: Annotated[tuple[Id, ...], Meta(max_length=10_000)] = ()
    join: Join = "auto"
    when: Annotated[str, Meta(min_length=1)] | None = None
    critical: bool | UnsetType = UNSET
    continue_on_failure: bool | UnsetType = UNSET
    optional: bool = False
    on_success: Annotated[tuple[Id, ...], Meta(max_length=10_000)] = ()
    on_failure: Annotated[tuple[Id, ...], Meta(max_length=10_000)] = ()
    cases: Annotated[tuple[Case, ...], Meta(max_length=1000)] = ()
    default: Annotated[tuple[Id, ...], Meta(max_length=10_000)] | UnsetType = UNSET
    mode: Literal["first", "all"] = "first"
    retry_policy: RetryPolicy | UnsetType = UNSET
    timeout: Millis | UnsetType = UNSET
    total_timeout: Millis = 0


class Defaults(Spec, kw_only=True):
    """What steps that say nothing themselves take."""

    retry_policy: RetryPolicy = RetryPolicy()
    timeout: Millis = DEFAULT_TIMEOUT_MS


class Receiver(Spec, kw_only=True):
    """Where a webhook goes. `secret` (a Standard Webhooks secret, `whsec_…`) signs it."""

    url: Url
    secret: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Webhooks(Spec, kw_only=True):
    """Receivers of an execution's events; a plain string is a URL."""

    on_complete: Url | Receiver | None = None
    on_failure: Url | Receiver | None = None
    on_step: Url | Receiver | None = None
    on_cancel: Url | Receiver | None = None


class Definition(Spec, kw_only=True):
    """A whole workflow, as written."""

    id: Id
    name: Annotated[str, Meta(max_length=1000)] = ""
    description: Annotated[str, Meta(max_length=20_000)] = ""
    tags: dict[str, str] = field(default_factory=dict)
    output: Any = UNSET
    timeout: Millis = 0
    on_critical_failure: OnCriticalFailure = "continue"
    defaults: Defaults = Defaults()
    webhooks: Webhooks = Webhooks()
    steps: Annotated[tuple[StepSpec, ...], Meta(min_length=1, max_length=10_000)]


def retry_policy_of(definition: Definition, step: StepSpec) -> RetryPolicy:
    """The step's own policy, else the workflow's default."""
    return definition.defaults.retry_policy if step.retry_policy is UNSET else step.retry_policy


def timeout_of(definition: Definition, step: StepSpec) -> int:
    """How long one attempt of the step may take, in milliseconds; 0 is no limit."""
    return definition.defaults.timeout if step.timeout is UNSET else step.timeout


def is_critical(step: StepSpec) -> bool:
    """Whether the step's failure fails the execution: yes unless `critical: false` or `optional: true`."""
    return (not step.optional) if step.critical is UNSET else step.critical


def continues_on_failure(step: StepSpec) -> bool:
    """Whether dependents run although the step failed: only by `continueOnFailure` or `optional`."""
    return step.optional if step.continue_on_failure is UNSET else step.continue_on_failure


def is_decision(step: StepSpec) -> bool:
    """Whether the step chooses which of its control edges live: type `decision`, or the action `condition` with
    targets (then a true expression takes `onSuccess` and a false one `onFailure`)."""
    return step.type == "decision" or (step.action == "condition" and bool(step.on_success or step.on_failure))
