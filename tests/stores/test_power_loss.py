"""A short share of the power-loss campaign; `make power-loss` does more."""

from __future__ import annotations

import pytest

from tests.stores.power_loss import findings


@pytest.mark.slow
def test_no_power_loss_takes_or_halves_an_acknowledged_commit() -> None:
    assert {finding.verdict for finding in findings(60, "FULL", seed=11)} == {"whole"}


@pytest.mark.slow
def test_the_same_images_find_losses_where_commits_are_not_synced() -> None:
    found = [finding.verdict for finding in findings(50, "NORMAL", seed=11)]
    assert found.count("lost") > 5
