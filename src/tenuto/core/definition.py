"""What a workflow definition is, as data: the Structs that a registered JSON document decodes into.

The JSON Schema that checks and documents definitions is generated from these types; defaults of the language live
here and nowhere else. Nothing here decides anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?!\n)$"  # Python's $ also stands before a last line break
TEN_YEARS_MS = 315_360_000_000
MAX_STEPS = 10_000


def expects(words: str) -> dict[str, Any]:
    """What the schema says beside the rule, for the sentence of an error: "Expected …"."""
    return {"x-expected": words}


Id = Annotated[
    str,
    Meta(
        pattern=ID_PATTERN,
        extra_json_schema=expects("1 to 128 of A-Z a-z 0-9 . _ - with a letter or digit first"),
    ),
]
Millis = Annotated[
    int,
    Meta(
        ge=0,
        le=TEN_YEARS_MS,
        extra_json_schema=expects(f"a whole number of milliseconds from 0 to {TEN_YEARS_MS} (ten years)"),
    ),
]
ErrorPattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="An error type (`http.503`), a class (`http.5xx`, `http`) or `*`.",
        examples=["http.5xx", "network", "timeout"],
    ),
]
Url = Annotated[
    str,
    Meta(
        max_length=8192,
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00-\x20/?#]",
        extra_json_schema=expects("a URL that begins with http:// or https://"),
    ),
]
Secret = Annotated[
    str,
    Meta(
        max_length=1000,
        pattern=r"^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$",
        extra_json_schema=expects("a Standard Webhooks secret: whsec_ and base64 after it"),
    ),
]
Tags = Annotated[
    dict[
        Annotated[str, Meta(max_length=128)],
        Annotated[str, Meta(max_length=1000)],
    ],
    Meta(max_length=100),
]
Targets = Annotated[tuple[Id, ...], Meta(max_length=MAX_STEPS)]
Name = Annotated[str, Meta(max_length=1000, description="What people read instead of the id.")]
Prose = Annotated[str, Meta(max_length=20_000, description="What it is for, in prose.")]
Script = Annotated[str, Meta(min_length=1, extra_json_schema=expects("a JavaScript expression"))]
Headers = Annotated[dict[str, str], Meta(max_length=100, description="Headers to send along.")]
Join = Annotated[
    Literal["auto", "all_success", "none_failed", "all_done", "one_success", "one_failed", "all_failed"],
    Meta(description="What must hold of the steps before it, that this one may run."),
]
StepType = Literal["task", "decision", "parallel"]
OnCriticalFailure = Literal["continue", "drain", "cancel"]

DEFAULT_TIMEOUT_MS = 60_000
"""How long one attempt may take where neither the step nor `defaults` says."""

INFRA_ATTEMPTS = 3
"""How many attempts of a step may be lost to crashes before that fails it (they do not use up `maxAttempts`)."""


class Spec(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The way every part of a definition is written: camelCase keys, unknown keys refused."""


class RetryPolicy(Spec, frozen=True, kw_only=True):
    """When and how often a failed attempt is tried again. Delays in milliseconds; `maxAttempts` counts the first."""

    max_attempts: Annotated[
        int, Meta(ge=1, le=1000, description="How many attempts in all, the first included.")
    ] = 1
    initial_delay: Annotated[Millis, Meta(description="Milliseconds before the second attempt.")] = 1000
    backoff_multiplier: Annotated[
        float, Meta(ge=1, le=1000, description="What the delay grows by from one attempt to the next.")
    ] = 2
    max_delay: Annotated[Millis, Meta(description="The longest delay between attempts, in milliseconds.")] = (
        30_000
    )
    jitter: Annotated[
        float, Meta(ge=0, le=1, description="A fraction of the delay, added or taken away at random.")
    ] = 0
    retry_on: Annotated[
        tuple[ErrorPattern, ...],
        Meta(
            max_length=100,
            description="Errors that are tried again; if empty, all that trying again may mend.",
        ),
    ] = ()
    no_retry_on: Annotated[
        tuple[ErrorPattern, ...],
        Meta(max_length=100, description="Errors that are never tried again, whatever `retryOn` says."),
    ] = ()
    on_exhausted: Annotated[
        Literal["fail"], Meta(description="What becomes of the step after its last attempt.")
    ] = "fail"


class Case(Spec, frozen=True, kw_only=True):
    """One way out of a decision: the steps in `next` run when `when` holds."""

    when: Annotated[Script, Meta(description="A JavaScript expression; the case holds when it is truthy.")]
    next: Annotated[Targets, Meta(description="The ids of the steps that run then.")]


class StepSpec(Spec, frozen=True, kw_only=True):
    """One step of a workflow, as written."""

    # What is absent and has a workflow-wide default stays UNSET (see `Defaults`).
    id: Annotated[
        Id, Meta(description="Names the step; unique in the workflow. Results stand in the context under it.")
    ]
    name: Name = ""
    description: Prose = ""
    type: Annotated[
        StepType,
        Meta(
            description="`task` does its action, `decision` chooses which steps follow, `parallel` marks a fork."
        ),
    ] = "task"
    action: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="The kind of work: a built-in action, or the name of a registered executor.",
            examples=["noop", "http.request", "delay", "transform", "condition", "webhook"],
        ),
    ] = "noop"
    params: Annotated[
        dict[str, Any], Meta(description="What the action works with; strings may hold `{{ templates }}`.")
    ] = field(default_factory=dict)
    dependencies: Annotated[
        Targets, Meta(description="The ids of the steps that must have succeeded before.")
    ] = ()
    join: Join = "auto"
    when: (
        Annotated[
            Script, Meta(description="A JavaScript expression; the step is skipped when it is not truthy.")
        ]
        | None
    ) = None
    critical: (
        Annotated[bool, Meta(description="Whether its failure fails the execution; true if not given.")]
        | UnsetType
    ) = UNSET
    continue_on_failure: (
        Annotated[
            bool, Meta(description="Whether its dependents run although it failed; false if not given.")
        ]
        | UnsetType
    ) = UNSET
    optional: Annotated[
        bool, Meta(description="Short for `critical: false` with `continueOnFailure: true`.")
    ] = False
    on_success: Annotated[
        Targets,
        Meta(description="The ids of the steps that run if it succeeds (of a condition: if it is true)."),
    ] = ()
    on_failure: Annotated[
        Targets,
        Meta(description="The ids of the steps that run if it fails (of a condition: if it is false)."),
    ] = ()
    cases: Annotated[
        tuple[Case, ...],
        Meta(max_length=1000, description="The ways out of a decision, weighed in this order."),
    ] = ()
    default: (
        Annotated[
            Targets, Meta(description="The ids of the steps that run when no case of a decision holds.")
        ]
        | UnsetType
    ) = UNSET
    mode: Annotated[
        Literal["first", "all"],
        Meta(description="Whether a decision takes the `first` case that holds, or `all` of them."),
    ] = "first"
    retry_policy: (
        Annotated[RetryPolicy, Meta(description="When a failed attempt is tried again.")] | UnsetType
    ) = UNSET
    timeout: (
        Annotated[Millis, Meta(description="How long one attempt may take, in milliseconds; 0 is no limit.")]
        | UnsetType
    ) = UNSET
    total_timeout: Annotated[
        Millis, Meta(description="How long all attempts and waits may take, in milliseconds; 0 is no limit.")
    ] = 0


class Defaults(Spec, frozen=True, kw_only=True):
    """What steps that say nothing themselves take."""

    retry_policy: Annotated[RetryPolicy, Meta(description="When a failed attempt is tried again.")] = (
        RetryPolicy()
    )
    timeout: Annotated[
        Millis, Meta(description="How long one attempt may take, in milliseconds; 0 is no limit.")
    ] = DEFAULT_TIMEOUT_MS


class Receiver(Spec, frozen=True, kw_only=True):
    """Where a webhook goes, signed if there is a secret."""

    url: Annotated[Url, Meta(description="Where it is posted.")]
    secret: (
        Annotated[Secret, Meta(description="A Standard Webhooks secret (`whsec_…`) that signs it.")] | None
    ) = None
    headers: Headers = field(default_factory=dict)


class Webhooks(Spec, frozen=True, kw_only=True):
    """Receivers of an execution's events; a plain string is a URL."""

    on_complete: Url | Receiver | None = None
    on_failure: Url | Receiver | None = None
    on_step: Url | Receiver | None = None
    on_cancel: Url | Receiver | None = None


class Definition(Spec, frozen=True, kw_only=True):
    """A whole workflow, as written."""

    id: Annotated[
        Id, Meta(description="Names the workflow; other content under the same id is a new version.")
    ]
    name: Name = ""
    description: Prose = ""
    tags: Annotated[Tags, Meta(description="Labels that every execution of it carries.")] = field(
        default_factory=dict
    )
    output: Annotated[
        Any,
        Meta(
            description="The execution's output, with `{{ templates }}`; else the results of the last steps."
        ),
    ] = UNSET
    timeout: Annotated[
        Millis,
        Meta(
            description="How long an execution may take, in milliseconds, pauses not counted; 0 is no limit."
        ),
    ] = 0
    on_critical_failure: Annotated[
        OnCriticalFailure,
        Meta(
            description="What happens to the rest when a critical step fails: independent branches `continue`, "
            "running steps finish (`drain`), or everything stops (`cancel`)."
        ),
    ] = "continue"
    defaults: Annotated[Defaults, Meta(description="What steps that say nothing themselves take.")] = (
        Defaults()
    )
    webhooks: Annotated[Webhooks, Meta(description="Where the events of executions are posted.")] = Webhooks()
    steps: Annotated[
        tuple[StepSpec, ...], Meta(min_length=1, max_length=MAX_STEPS, description="The steps, in any order.")
    ]


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
    return step.type == "decision" or (
        step.action == "condition" and bool(step.on_success or step.on_failure)
    )
