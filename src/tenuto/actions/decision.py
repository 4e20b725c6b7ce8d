"""What a step of type `decision` does: weigh its cases and choose the steps that follow."""

from __future__ import annotations

from msgspec import UNSET

from tenuto.core.definition import StepSpec
from tenuto.core.events import StepError
from tenuto.core.truth import is_truthy
from tenuto.errors import ScriptFailed
from tenuto.ports.action import ActionRequest, Failed, Outcome, Succeeded
from tenuto.ports.script import Script, ScriptEngine


class Decision:
    """Weighs the step's `cases` in the order written: `mode` first takes the first that holds, all takes every one,
    and `default` stands in where none does. The result is `{"chosen": [step ids], "matched": [places in cases, from
    0]}`. It belongs to one step, so no registry has it."""

    name = "decision"
    scripts: frozenset[str] = frozenset()

    def __init__(self, step: StepSpec, engine: ScriptEngine) -> None:
        self._step = step
        self._engine = engine

    async def run(self, request: ActionRequest) -> Outcome:
        try:
            matched = await self._matching(request)
        except ScriptFailed as problem:
            return Failed(StepError(problem.kind, str(problem)))
        cases = self._step.cases
        if matched:
            chosen = list(dict.fromkeys(target for place in matched for target in cases[place].next))
        elif self._step.default is not UNSET:
            chosen = list(self._step.default)
        else:
            message = f"None of the {len(cases)} cases holds and there is no `default`"
            return Failed(StepError("no_case_matched", message))
        return Succeeded({"chosen": chosen, "matched": matched}, chosen=chosen)

    async def _matching(self, request: ActionRequest) -> list[int]:
        matched: list[int] = []
        for place in range(len(self._step.cases)):
            if await self._holds(place, request):
                matched.append(place)
                if self._step.mode == "first":
                    break
        return matched

    async def _holds(self, place: int, request: ActionRequest) -> bool:
        when = self._step.cases[place].when
        try:
            return is_truthy(await self._engine.evaluate(Script("expression", when), request.scope))
        except ScriptFailed as problem:
            raise ScriptFailed(problem.kind, f"cases[{place}].when: {problem}") from problem
