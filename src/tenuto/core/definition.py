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
JoinRule = Annotated[
    Literal["auto", "all_success", "none_failed", "all_done", "one_success", "one_failed", "all_failed"],
    Meta(description="What must hold of the steps before it, that this one may run."),
]
Template = Annotated[
    str, Meta(min_length=1, max_length=20_000, description="Text that may hold `{{ templates }}`.")
]
StepType = Literal["task", "decision", "parallel", "map", "loop"]
OnCriticalFailure = Literal["continue", "drain", "cancel"]

MAX_ITEMS = 100_000
"""How many items a map may have."""

MAX_NESTING = 16
"""How deep steps may stand inside steps."""

DEFAULT_CONCURRENCY = 100
"""How many items of a map are worked on at once where it does not say."""

DEFAULT_ITERATIONS = 1_000
"""How often a loop goes round at most where it does not say."""

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
        Literal["fail", "pause"],
        Meta(
            description="What becomes of the step after its last attempt: it fails, or it is parked (`pause`) until "
            "a person retries, completes, skips or fails it."
        ),
    ] = "fail"


class Case(Spec, frozen=True, kw_only=True):
    """One way out of a decision: the steps in `next` run when `when` holds."""

    when: Annotated[Script, Meta(description="A JavaScript expression; the case holds when it is truthy.")]
    next: Annotated[Targets, Meta(description="The ids of the steps that run then.")]


class AtLeast(Spec, frozen=True, kw_only=True):
    """A join that is met as soon as `atLeast` of the incoming edges live."""

    at_least: Annotated[int, Meta(ge=1, le=MAX_STEPS, description="How many incoming edges must live.")]
    cancel_remaining: Annotated[
        bool, Meta(description="Whether the other steps before it are given up when it is met.")
    ] = False


class CatchRule(Spec, frozen=True, kw_only=True):
    """Failures of these types lead to the steps in `next`, and the execution does not fail for them."""

    errors: Annotated[
        tuple[ErrorPattern, ...],
        Meta(min_length=1, max_length=100, description="Error types, classes or `*`, as in `retryOn`."),
    ]
    next: Annotated[Targets, Meta(min_length=1, description="The ids of the steps that run then.")]


class Compensate(Spec, frozen=True, kw_only=True):
    """What undoes the step, once it has succeeded, when the execution does not end well."""

    action: Annotated[str, Meta(min_length=1, max_length=200, description="The kind of work that undoes it.")]
    params: Annotated[
        dict[str, Any],
        Meta(description="What the action works with; templates see what the step saw, and its result."),
    ] = field(default_factory=dict)
    retry_policy: (
        Annotated[RetryPolicy, Meta(description="When a failed attempt is tried again.")] | UnsetType
    ) = UNSET
    timeout: (
        Annotated[Millis, Meta(description="How long one attempt may take, in milliseconds; 0 is no limit.")]
        | UnsetType
    ) = UNSET


class CacheRule(Spec, frozen=True, kw_only=True):
    """A result is kept under `key` for `ttl` ms and taken instead of doing the step again, by all its executions."""

    key: Annotated[Template, Meta(description="What the result depends on, within this workflow's step.")]
    ttl: Annotated[
        int, Meta(ge=1, le=TEN_YEARS_MS, description="How long a result may be taken, in milliseconds.")
    ]


class Slots(Spec, frozen=True, kw_only=True):
    """At most `limit` attempts that share the `key` run at once, in all executions of all workflows."""

    key: Annotated[Template, Meta(description="What shares the limit.")]
    limit: Annotated[int, Meta(ge=1, le=100_000, description="How many may hold the key at once.")]


class ExecutionSlots(Spec, frozen=True, kw_only=True):
    """At most `limit` executions that share the `key` are under way at once."""

    key: Annotated[Template, Meta(description="What shares the limit; templates read `context` and `input`.")]
    limit: Annotated[int, Meta(ge=1, le=100_000, description="How many may hold the key at once.")]
    on_limit: Annotated[
        Literal["queue", "skip", "cancelOlder"],
        Meta(
            description="What becomes of one too many: it waits (`queue`), it is cancelled at once (`skip`), or the "
            "oldest is cancelled in its favour (`cancelOlder`)."
        ),
    ] = "queue"


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
            description="`task` does its action, `decision` chooses which steps follow, `parallel` does nested steps, "
            "`map` does something for each item of a list, `loop` does something until it is enough."
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
    join: JoinRule | AtLeast = "auto"
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
    catch: Annotated[
        tuple[CatchRule, ...],
        Meta(
            max_length=100,
            description="Where failures of certain types lead, instead of failing the execution.",
        ),
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
    queue_timeout: Annotated[
        Millis,
        Meta(description="How long an attempt may wait for its slots, in milliseconds; 0 is no limit."),
    ] = 0
    steps: Annotated[
        tuple[StepSpec, ...],
        Meta(max_length=MAX_STEPS, description="Nested steps: what a parallel, map or loop does."),
    ] = ()
    items: (
        Annotated[
            list[Any] | Template,
            Meta(description="Of a map: the list, or a template that gives it."),
        ]
        | UnsetType
    ) = UNSET
    item_name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_$][A-Za-z0-9_$]{0,63}$",
            description="Of a map: what expressions call the item.",
            extra_json_schema=expects("a JavaScript name"),
        ),
    ] = field(default="item", name="as")
    max_concurrency: Annotated[
        int,
        Meta(
            ge=0, le=MAX_ITEMS, description="Of a map: how many items are worked on at once; 0 is no limit."
        ),
    ] = DEFAULT_CONCURRENCY
    tolerated_failures: (
        Annotated[
            int, Meta(ge=0, le=MAX_ITEMS, description="Of a map: how many items may fail, or which share.")
        ]
        | Annotated[
            str,
            Meta(
                pattern=r"^(?:100|[0-9]{1,2}(?:\.[0-9]{1,3})?)%$",
                extra_json_schema=expects('a count, or a share like "5%"'),
            ),
        ]
    ) = 0
    until: (
        Annotated[
            Script,
            Meta(
                description="Of a loop: a JavaScript expression over `result`, `index` and `context`; it ends when truthy."
            ),
        ]
        | None
    ) = None
    every: Annotated[Millis, Meta(description="Of a loop: milliseconds between two rounds.")] = 0
    max_iterations: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Of a loop: how many rounds there may be; more fail it as `loop_limit`.",
        ),
    ] = DEFAULT_ITERATIONS
    compensate: Annotated[Compensate, Meta(description="What undoes the step.")] | None = None
    cache: Annotated[CacheRule, Meta(description="How long its result may be taken again.")] | None = None
    concurrency: Annotated[
        tuple[Slots, ...],
        Meta(
            max_length=20, description="Limits its attempts share with others; all slots are taken, or none."
        ),
    ] = ()
    priority: (
        Annotated[
            int,
            Meta(ge=-1000, le=1000, description="Its place among those who wait for slots; higher first."),
        ]
        | UnsetType
    ) = UNSET
    output_schema: (
        Annotated[dict[str, Any], Meta(description="A JSON Schema (2020-12) that its result must fit.")]
        | UnsetType
    ) = UNSET


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


class Handlers(Spec, frozen=True, kw_only=True):
    """Steps that run after all others have ended: `failure` or `cancel` by how it went, then `always`."""

    always: Annotated[
        tuple[StepSpec, ...], Meta(max_length=MAX_STEPS, description="They run in any case.")
    ] = ()
    failure: Annotated[
        tuple[StepSpec, ...], Meta(max_length=MAX_STEPS, description="They run when the execution fails.")
    ] = ()
    cancel: Annotated[
        tuple[StepSpec, ...],
        Meta(max_length=MAX_STEPS, description="They run when the execution is cancelled."),
    ] = ()


class Compensation(Spec, frozen=True, kw_only=True):
    """When succeeded steps are undone by their `compensate`, one by one, the last that succeeded first."""

    on: Annotated[
        tuple[Literal["failed", "cancelled"], ...],
        Meta(max_length=2, description="After which ends of the execution."),
    ] = ("failed", "cancelled")
    order: Annotated[Literal["reverse"], Meta(description="The last that succeeded first.")] = "reverse"


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
    input_schema: (
        Annotated[dict[str, Any], Meta(description="A JSON Schema (2020-12) that start contexts must fit.")]
        | UnsetType
    ) = UNSET
    output_schema: (
        Annotated[dict[str, Any], Meta(description="A JSON Schema (2020-12) that the output must fit.")]
        | UnsetType
    ) = UNSET
    handlers: Annotated[Handlers, Meta(description="Steps that run after the others have ended.")] = (
        Handlers()
    )
    compensation: Annotated[
        Compensation, Meta(description="When succeeded steps are undone by their `compensate`.")
    ] = Compensation()
    concurrency: Annotated[
        tuple[ExecutionSlots, ...],
        Meta(max_length=20, description="Limits on how many executions are under way at once."),
    ] = ()
    steps: Annotated[
        tuple[StepSpec, ...], Meta(min_length=1, max_length=MAX_STEPS, description="The steps, in any order.")
    ]


def retry_policy_of(definition: Definition, step: StepSpec) -> RetryPolicy:
    """The step's own policy, else the workflow's default."""
    return definition.defaults.retry_policy if step.retry_policy is UNSET else step.retry_policy


def timeout_of(definition: Definition, step: StepSpec) -> int:
    """How long one attempt of the step may take, in milliseconds; 0 is no limit."""
    return definition.defaults.timeout if step.timeout is UNSET else step.timeout


def join_rule(step: StepSpec) -> str:
    """The name of the step's join; `at_least` for `{"atLeast": n}`."""
    return "at_least" if isinstance(step.join, AtLeast) else step.join


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
