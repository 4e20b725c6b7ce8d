"""What happens to the steps of an execution, by instance id: how each attempt ends, whether conditions hold, how
many items there are, what a person does about a step that is parked.

Everything is drawn from the seed and the instance id alone, so that it does not change when other steps do: a
workflow that shows a fault can be made smaller and still show it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.model import attempts, rules

ERRORS = ("http.503", "http.404", "network", "timeout", "script", "rejected", "worker.Broken")


@dataclass(frozen=True)
class Scripted:
    """A `nested.Script`, drawn from `seed` where `fixed` says nothing. `fixed` holds, under `attempts <instance>`,
    `when <instance>`, `items <instance>`, `until <instance> <round>`, `people <instance>`, `branch <instance>` and
    `cases <instance>`, what is to be taken instead. `trouble` is how many of 100 tasks have attempts that fail,
    `defaults` the workflow's own."""

    seed: int
    trouble: int = 25
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def _draw(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what}")

    # --- what the model asks

    def outcome(self, instance: str, step: rules.Step) -> rules.Outcome | None:
        _, ended = self.settled(instance, step)
        if ended in ("ok", "complete"):
            return self.choice(instance, step) if ended == "ok" else rules.SUCCESS
        return "skip" if ended == "skip" else ("fail", ended)

    def truth(self, instance: str, step: rules.Step) -> rules.Truth | None:
        truth: rules.Truth = self._fixed(f"when {instance}", (True, True, True, False, False, "error"))
        return truth

    def items(self, instance: str, step: rules.Step) -> int | str | None:
        if f"items {instance}" in self.fixed:
            count: int | str = self.fixed[f"items {instance}"]
            return count
        return "expression" if self._draw(f"items {instance}").random() < 0.05 else len(step["items"])

    def verdict(self, instance: str, step: rules.Step, number: int) -> bool | str | None:
        what = f"until {instance} {number}"
        verdict: bool | str = self._fixed(what, (True,) * 4 + (False,) * 5 + ("expression",))
        return verdict

    def result(self, instance: str, step: rules.Step) -> Any:
        _, ended = self.settled(instance, step)
        if ended == "complete":
            return {"byHand": instance}
        if step.get("action") == "condition":
            holds = self.branch(instance)
            return {"result": holds, "branch": "true" if holds else "false"}
        return {"chosen": True} if "cases" in step else instance

    # --- what happens, one thing at a time

    def settled(self, instance: str, step: rules.Step) -> tuple[int, str]:
        """How many attempts are made, and how it ends: `ok`, an error's type, or what a person does in the end."""
        script = self.attempts(instance, step)
        if "when" in step and self.truth(instance, step) == "error":
            script = ("expression",)
        policy = {**self.policy(step), "maxAttempts": 1} if script == ("expression",) else self.policy(step)
        return attempts.settle(policy, script, self.people(instance))

    def policy(self, step: rules.Step) -> Mapping[str, Any]:
        policy: Mapping[str, Any] = step.get("retryPolicy", self.defaults.get("retryPolicy", {}))
        return policy

    def attempts(self, instance: str, step: rules.Step) -> tuple[str, ...]:
        """How each attempt ends (`ok` or an error's type); the last goes on for ever."""
        if f"attempts {instance}" in self.fixed:
            script: tuple[str, ...] = self.fixed[f"attempts {instance}"]
            return script
        draw = self._draw(f"attempts {instance}")
        if rules.is_decision(step) or "cases" in step or step.get("action") == "condition":
            if draw.random() < 0.1:
                return ("expression",)
            chosen = self.choice(instance, step)
            return ("no_case_matched",) if chosen == rules.NO_CASE else ("ok",)
        if draw.randrange(100) >= self.trouble:
            return ("ok",)
        failures = [draw.choice(ERRORS) for _ in range(draw.randint(1, 3))]
        return (*failures, draw.choice(("ok", draw.choice(ERRORS))))

    def people(self, instance: str) -> tuple[str, ...]:
        """What people do each time the step is parked: `retry`, or what ends it (`complete`, `skip`, or the type of
        the error it is to fail with)."""
        if f"people {instance}" in self.fixed:
            done: tuple[str, ...] = self.fixed[f"people {instance}"]
            return done
        draw = self._draw(f"people {instance}")
        last = draw.choice(("complete", "skip", "http.404", "given.up"))
        return (*("retry" for _ in range(draw.choice((0, 0, 1, 2)))), last)

    def choice(self, instance: str, step: rules.Step) -> rules.Outcome:
        """What it chooses when it succeeds; SUCCESS of anything but a decision."""
        if step.get("cases"):
            draw = self._draw(f"cases {instance}")
            drawn = tuple(draw.random() < 0.5 for _ in step["cases"])
            truths: tuple[bool, ...] = self.fixed.get(f"cases {instance}", drawn)
            return rules.chosen_by_cases(step, truths)
        if rules.is_decision(step):
            return "branch", self.branch(instance)
        return rules.SUCCESS

    def branch(self, instance: str) -> bool:
        holds: bool = self._fixed(f"branch {instance}", (True, False))
        return holds

    def _fixed(self, what: str, options: tuple[Any, ...]) -> Any:
        return self.fixed[what] if what in self.fixed else self._draw(what).choice(options)


@dataclass(frozen=True)
class SoFar:
    """What is known of a script once these instances have ended or shown (`open`) that their `when` held; `rounds`
    counts the rounds that a loop's `until` has been asked about."""

    script: Scripted
    ended: Collection[str]
    opened: Collection[str]
    rounds: Mapping[str, int]

    def outcome(self, instance: str, step: rules.Step) -> rules.Outcome | None:
        return self.script.outcome(instance, step) if instance in self.ended else None

    def truth(self, instance: str, step: rules.Step) -> rules.Truth | None:
        known = instance in self.ended or instance in self.opened
        return self.script.truth(instance, step) if known else None

    def items(self, instance: str, step: rules.Step) -> int | str | None:
        known = instance in self.ended or instance in self.opened
        return self.script.items(instance, step) if known else None

    def verdict(self, instance: str, step: rules.Step, number: int) -> bool | str | None:
        known = instance in self.ended or number < self.rounds.get(instance, 0)
        return self.script.verdict(instance, step, number) if known else None

    def result(self, instance: str, step: rules.Step) -> Any:
        return self.script.result(instance, step)
