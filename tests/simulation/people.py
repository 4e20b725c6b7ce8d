"""Everybody around a simulated server: clients who start executions and do not give up, people who meddle at any
moment, and those who in the end do what executions wait for, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Protocol

from tenuto.core.events import ExecutionFailed, StepError
from tenuto.core.inputs import Approve, Complete, RetryStep, Signal, SkipStep
from tenuto.errors import Conflict, Forbidden, Invalid, NotFound, Overloaded, StoreError
from tenuto.ports.host import Rerun, StartRequest, Who
from tenuto.runtime.node import Node
from tests.model.tally import OUTSIDER
from tests.simulation.books import Books
from tests.simulation.broken import Broken
from tests.simulation.lives import Life
from tests.simulation.stories import PEOPLE, SIGNALS, Story
from tests.simulation.witness import Witness

REFUSED = (Conflict, Forbidden, Invalid, NotFound, Overloaded)
PERSON = "person"
HELP_S = 20.0
"""Simulated seconds between two rounds of those who help."""


class Server(Protocol):
    """The world as its people see it."""

    witness: Witness
    stories: dict[str, Story]
    node: Node | None

    def now(self) -> int:
        """The wall clock, in ms."""

    def jump(self, ms: int) -> None:
        """Set the wall clock forward or back."""

    def watching(self) -> Any:
        """Report what the people object to."""

    def check_shown(self, execution_id: str, state: Any) -> None:
        """Object if what is served is not what the journal says."""


class People:
    """All people of one world. `acknowledged` are the executions whose start was answered."""

    def __init__(self, world: Server, rng: random.Random, new_id: Callable[[], str]) -> None:
        self._world = world
        self._rng = rng
        self._new_id = new_id
        self._words = 0
        self._reruns = 0
        self._sent: list[tuple[str, str, str]] = []
        self.acknowledged: set[str] = set()
        self.wishes: dict[str, StartRequest] = {}

    def _word(self) -> str:
        """Something to say that nobody says twice, so that it is known again in a journal."""
        self._words += 1
        return f"said {self._words}"

    def _must_stand(self, word: str, what: str) -> None:
        """What was answered is on disk, once."""
        if self._world.witness.said[word] != 1:
            times = self._world.witness.said[word]
            raise Broken(f"{what} was answered and stands {times} times in the journal")

    # -- starting -----------------------------------------------------------------------------------------------

    def wish(self, workflow_id: str) -> None:
        """Let somebody want an execution of that workflow."""
        rng, execution_id = self._rng, self._new_id()
        start_at = None
        if rng.random() < 0.2:
            start_at = self._world.now() + rng.choice((-1_000, 50, 5_000, 40_000, 90_000))
        self.wishes[execution_id] = StartRequest(
            workflow_id=workflow_id,
            execution_id=execution_id,
            context={"sku": rng.choice("ab")},
            start_at=start_at,
            priority=rng.choice((0, 0, 3)),
        )

    async def start(self, execution_id: str) -> None:
        """A client who does not give up: the same request until it is answered."""
        while True:
            node = self._world.node
            if node is not None:
                try:
                    started = await node.start(self.wishes[execution_id])
                    break
                except (StoreError, Overloaded):
                    pass
            await asyncio.sleep(self._rng.random() * 2)
        if started.execution_id != execution_id:
            raise Broken("a start was answered with another execution's id")
        if execution_id not in self._world.witness.by_id:
            raise Broken(f"{execution_id} was acknowledged and is not on disk")
        self.acknowledged.add(execution_id)

    # -- meddling -------------------------------------------------------------------------------------------------

    async def meddle(self) -> None:
        """Somebody who looks, and asks for anything, at any moment."""
        rng, witness = self._rng, self._world.witness
        while True:
            await asyncio.sleep(rng.random() * rng.choice([0.01, 1, 20]))
            node, verb = self._world.node, rng.choice(_VERBS)
            fit = [name for name, books in witness.by_id.items() if _is_fit(verb, books)]
            if node is not None and fit:
                with contextlib.suppress(StoreError, *REFUSED):
                    await self._meddle_once(node, verb, rng.choice(fit))

    async def _meddle_once(self, node: Node, verb: str, execution_id: str) -> None:
        rng, books = self._rng, self._world.witness.by_id[execution_id]
        if verb == "read":
            self._world.check_shown(execution_id, await node.read(execution_id))
        elif verb == "clock":
            self._world.jump(rng.choice([-5_000, -10, 10, 5_000, 60_000]))
        elif verb == "signal":
            if not self._sent or rng.random() < 0.7:
                self._sent.append((execution_id, rng.choice(SIGNALS), self._word()))
                await self.signal(node, *self._sent[-1])
            else:  # its answer did not come through, and it is sent again
                await self.signal(node, *rng.choice(self._sent))
        elif verb == "rerun":
            await self._rerun(node, books)
        elif verb in ("cancel", "terminate"):
            if rng.random() < 0.1:
                await self._control(node, verb, execution_id)
        elif verb in ("pause", "resume", "retry"):
            await self._control(node, verb, execution_id)
        else:
            await self._act(node, verb, books)

    async def _control(self, node: Node, verb: str, execution_id: str) -> None:
        word = self._word()
        await getattr(node, verb)(execution_id, Who("somebody", word))
        with self._world.watching():
            self._must_stand(word, f"{verb} of {execution_id}")

    async def signal(self, node: Node, execution_id: str, name: str, key: str) -> None:
        """Send a signal; what is answered stands in the journal once."""
        await node.signal(execution_id, Signal(name, {"sent": key}, key, "somebody"))
        with self._world.watching():
            if (name, key) not in self._world.witness.by_id[execution_id].signal_keys:
                raise Broken(f"the signal {key} to {execution_id} was answered and is lost")

    async def _rerun(self, node: Node, books: Books) -> None:
        if self._reruns >= 2 or self._rng.random() < 0.7:
            return
        self._reruns += 1
        execution_id = self._new_id()
        wish = Rerun(from_step=self._rng.choice(books.story.root), execution_id=execution_id)
        await node.rerun(books.execution_id, wish, Who("somebody", None))
        with self._world.watching():
            if execution_id not in self._world.witness.by_id:
                raise Broken(f"the rerun {execution_id} was acknowledged and is not on disk")

    async def _act(self, node: Node, verb: str, books: Books) -> None:
        rng = self._rng
        waiting = [step for step, _ in books.waits()]
        going = [step for step, life in books.lives.items() if life.standing != "ended"]
        if rng.random() < 0.8 and (verb != "approve" or waiting):
            steps = waiting if waiting and (verb == "approve" or rng.random() < 0.5) else going
        else:
            steps = [step for step in books.story.root if books.standing(step) == "fresh"]
        if not steps or (verb != "approve" and rng.random() < 0.7):
            return
        step, word = rng.choice(steps), self._word()
        await node.act(books.execution_id, self._given(verb, step, word))
        with self._world.watching():
            self._must_stand(word, f"{verb} of {books.execution_id} {step}")

    def _given(self, verb: str, step: str, word: str) -> Approve | Complete | SkipStep | RetryStep:
        match verb:
            case "approve":
                return Approve(step, self._rng.choice(PEOPLE), self._rng.random() < 0.8, word)
            case "complete":
                return Complete(step, {"by": "hand"}, by=OUTSIDER, reason=word)
            case "fail":
                return Complete(
                    step, error=StepError("by.hand", "scripted by hand"), by=OUTSIDER, reason=word
                )
            case "skip":
                return SkipStep(step, OUTSIDER, word)
            case _:
                return RetryStep(step, OUTSIDER, word)

    async def retry_some(self, node: Node) -> bool:
        """When all has ended: have some of what failed done again; whether there was any."""
        failed = [books for books in self._world.witness.by_id.values() if _is_fit("retry", books)]
        again = [books for books in failed if self._rng.random() < 0.5]
        for books in again:
            await self._control(node, "retry", books.execution_id)
        return bool(again)

    # -- helping --------------------------------------------------------------------------------------------------

    async def help(self) -> None:
        """Somebody who does what executions wait for, and asks nothing of any other: that would bring it back to
        mind."""
        while True:
            await asyncio.sleep(HELP_S)
            for books in list(self._world.witness.by_id.values()):
                node = self._world.node
                is_left = self._world.witness.is_closed(books) and not books.retries
                if node is not None and books.ended is None and not is_left:
                    with contextlib.suppress(StoreError, *REFUSED):
                        await self._help(node, books)

    async def _help(self, node: Node, books: Books) -> None:
        if books.paused_at is not None:
            await self._control(node, "resume", books.execution_id)
        for step, life in books.waits():
            if life.until is not None and self._rng.random() < 0.5:
                continue  # its time will be up
            given = self._what_it_waits_for(books, step, life)
            if isinstance(given, Signal):
                await node.signal(books.execution_id, given)
            elif given is not None:
                await node.act(books.execution_id, given)

    def _what_it_waits_for(self, books: Books, step: str, life: Life) -> Any:
        kind, _, name = (life.waiting_for or "").partition(":")
        match kind:
            case "signal":
                return Signal(name, {"sent": "by who helps"}, self._word())
            case "approval":
                by = next(name for name in PEOPLE if name not in life.approvals)
                return Approve(step, by, comment=self._word())
            case "callback":
                return Complete(step, {"called": True}, generation=life.generation)
            case "person":
                return self._settle(books, step, life)
        return None

    def _settle(self, books: Books, step: str, life: Life) -> Any:
        """What the script has done about a step that is parked."""
        done = books.story.script.people(step)
        word = self._word()
        match done[min(life.by_hand, len(done) - 1)]:
            case "retry":
                return RetryStep(step, PERSON, word)
            case "skip":
                return SkipStep(step, PERSON, word)
            case "complete":
                return Complete(step, {"byHand": step}, by=PERSON, reason=word)
            case error:
                return Complete(step, error=StepError(error, f"scripted {error}"), by=PERSON, reason=word)


def _is_fit(verb: str, books: Books) -> bool:
    """Whether the verb may mean something to the execution; some are asked what means nothing to them."""
    if verb == "retry":
        return isinstance(books.ended, ExecutionFailed)
    return verb in ("read", "clock", "rerun", "cancel", "pause") or books.ended is None


_VERBS = (
    *["read"] * 5, "pause", "resume", "resume", "retry", "retry", "cancel", "terminate", "clock", "signal", "signal", "rerun",
    "approve", "approve", "complete", "fail", "skip", "retry step",
)  # fmt: skip
