"""What the golden journals are about: between them every kind of event with every field, every status of a step and an
execution, and every reason to skip that this version knows."""

from tests.journal.scenarios import control, endings, large, nested, people, plain
from tests.journal.scenarios.registry import SCENARIOS

__all__ = ["SCENARIOS", "control", "endings", "large", "nested", "people", "plain"]
