"""The core against the model where steps stand inside steps: random plays with random timings, all compared at their
end and at moments before.

`TENUTO_EXAMPLES` sets how many plays of each manner; `python -m tests.model` plays more of them.
"""

from __future__ import annotations

import pytest

from tests.model import nested
from tests.model.campaign import MANNERS, account_of, play_seed, shrink, stage_of
from tests.model.drive import contents
from tests.model.plays import Play, random_play
from tests.model.test_core_agrees import EXAMPLES


@pytest.mark.parametrize("manner", MANNERS)
def test_every_play_ends_as_the_model_says(manner: str) -> None:
    for seed in range(EXAMPLES):
        fault = play_seed(seed, MANNERS[manner])
        if fault is not None:
            pytest.fail(f"seed {seed}\n{account_of(shrink(fault, MANNERS[manner]), MANNERS[manner])}")


@pytest.mark.parametrize("manner", MANNERS)
def test_folding_the_journal_gives_the_state_at_every_moment_of_a_play(manner: str) -> None:
    for seed in range(EXAMPLES // 4):
        stage = stage_of(random_play(seed, MANNERS[manner].features), seed, MANNERS[manner])
        stage.start()
        while stage.can_advance:
            stage.advance()
            assert contents(stage.fold()) == contents(stage.state), f"seed {seed}"


def test_the_same_play_ends_the_same_in_every_timing() -> None:
    compared = 0
    for seed in range(EXAMPLES):
        play = random_play(seed, MANNERS["free"].features)
        if is_left_to_the_order(play):
            continue
        compared += 1
        ends = []
        for timing in range(3):
            stage = stage_of(play, timing, MANNERS["free"])
            stage.start()
            stage.finish()
            ends.append(
                {instance: end.kind for instance, end in stage.told.ends.items()} | {"": stage.state.status}
            )
        assert ends[0] == ends[1] == ends[2], f"seed {seed}"
    assert compared > EXAMPLES // 2


def is_left_to_the_order(play: Play) -> bool:
    """Whether a map fails, which stops it somewhere, or a container has several failures to choose from."""
    maps = {step["id"] for step in nested.all_steps(play.definition["steps"]) if step.get("type") == "map"}
    failed = nested.predict(play.definition, play.script).possible_errors
    return any(len(errors) > 1 or nested.split(instance)[0] in maps for instance, errors in failed.items())
