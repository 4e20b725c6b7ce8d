"""Which action serves which name, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast, overload

from tenuto.actions.custom import CustomExecutor, Executor
from tenuto.actions.foreign import ForeignAction
from tenuto.actions.json_data import RESULT_LIMIT
from tenuto.actions.threads import Threads
from tenuto.errors import ConfigurationError
from tenuto.ports.action import Action

_LONGEST_NAME = 200

E = TypeVar("E", bound=Callable[..., Any])


class Registry:
    """Actions by name. A name is given once: a second registration is a mistake that would show only at run time."""

    def __init__(
        self, actions: Iterable[Action] = (), *, threads: int = 32, result_limit: int = RESULT_LIMIT
    ) -> None:
        self._actions: dict[str, Action] = {action.name: action for action in actions}
        self._threads = Threads(threads)
        self._result_limit = result_limit

    @overload
    def register(self, name: str) -> Callable[[E], E]: ...

    @overload
    def register(self, name: str, executor: Executor | Action) -> None: ...

    def register(self, name: str, executor: Executor | Action | None = None) -> Callable[[E], E] | None:
        """Serve `name` by a function `fn(params, context)`, sync or async, or by an Action; without either it is a
        decorator. Raises ConfigurationError where the name is taken or the function cannot be called so."""
        if executor is not None:
            self._add(name, executor)
            return None

        def register_function(function: E) -> E:
            self._add(name, function)
            return function

        return register_function

    def find(self, name: str) -> Action | None:
        """The action of that name, or None where nothing in this process serves it."""
        return self._actions.get(name)

    def names(self) -> list[str]:
        """Names of all actions, sorted."""
        return sorted(self._actions)

    def close(self) -> None:
        """Let the threads of plain functions end. Calls under way are not waited for."""
        self._threads.close()

    def _add(self, name: str, executor: Executor | Action) -> None:
        _check_name(name)
        if name in self._actions:
            raise ConfigurationError(f"there is an action {name!r} already; choose another name")
        self._actions[name] = self._as_action(name, executor)

    def _as_action(self, name: str, executor: Executor | Action) -> Action:
        if hasattr(executor, "run") and hasattr(executor, "scripts"):
            return ForeignAction(cast("Action", executor), self._result_limit)
        return CustomExecutor(name, executor, self._threads, self._result_limit)


def _check_name(name: object) -> None:
    # A decorator written without a name gets the function here.
    fits = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable() and " " not in name
    if not fits:
        raise ConfigurationError(
            f"{name!r} cannot be an action's name: it must have 1 to {_LONGEST_NAME} characters and no spaces"
        )
