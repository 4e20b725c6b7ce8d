"""The built-in actions as a set."""

from __future__ import annotations

from tenuto.actions.built_in import built_in_actions
from tenuto.actions.http_client import HttpCaller
from tenuto.core.params import BUILT_IN
from tests.actions.scripts import FakeScripts


def test_registration_and_performance_know_the_same_actions_params_and_scripts() -> None:
    performed = {action.name: action for action in built_in_actions(FakeScripts(), HttpCaller())}
    assert set(performed) == set(BUILT_IN)
    for name, action in performed.items():
        assert vars(type(action))["known"] == set(BUILT_IN[name].rules), name
        assert action.scripts == BUILT_IN[name].scripts, name
