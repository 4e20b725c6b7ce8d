"""The built-in actions as a set."""

from __future__ import annotations

from tenuto.actions.built_in import built_in_actions
from tenuto.actions.http_client import HttpCaller
from tenuto.core.params import KNOWN
from tests.actions.children import FakeChildren
from tests.actions.scripts import FakeScripts


def test_registration_and_performance_know_the_same_actions_params_and_scripts() -> None:
    performed = {
        action.name: action
        for action in built_in_actions(FakeScripts(), HttpCaller(), children=FakeChildren())
    }
    assert set(performed) == set(KNOWN)
    for name, action in performed.items():
        declared = {*KNOWN[name].rules, *KNOWN[name].of_engine}
        assert vars(type(action))["known"] == declared, name
        assert action.scripts == KNOWN[name].scripts, name


def test_where_no_children_can_be_started_no_action_says_so() -> None:
    names = [action.name for action in built_in_actions(FakeScripts(), HttpCaller())]
    assert set(KNOWN) - set(names) == {"workflow.run"}
