"""Variables over HTTP: values under names that every workflow reads as `vars.name`."""

from __future__ import annotations

from typing import Any, Literal

from starlette.responses import Response

from tenuto.api.call import Call, answer
from tenuto.api.concurrency import TAG
from tenuto.api.routing import Reply, Route
from tenuto.api.shapes import Shape
from tenuto.wire.limits import VariableBody, read_variable


class Variable(Shape, kw_only=True):
    """A variable."""

    name: str
    value: Any


class VariableRemoved(Shape, kw_only=True):
    """A variable is gone."""

    success: Literal[True]
    name: str


async def list_variables(call: Call) -> Response:
    """All variables, by name."""
    return answer([{"name": name, "value": value} for name, value in call.host.variables.list().items()])


async def get_variable(call: Call) -> Response:
    """One variable."""
    name = call.path["variableName"]
    return answer({"name": name, "value": call.host.variables.get(name)})


async def put_variable(call: Call) -> Response:
    """Keep a value."""
    name, value = call.path["variableName"], read_variable(await call.read_json(unique_keys=True))
    is_new = await call.host.variables.put(name, value)
    return answer({"name": name, "value": value}, 201 if is_new else 200)


async def remove_variable(call: Call) -> Response:
    """Forget a variable."""
    name = call.path["variableName"]
    await call.host.variables.remove(name)
    return answer({"success": True, "name": name})


ROUTES = (
    Route(
        "GET", "/vars", list_variables, tag=TAG, summary="List variables",
        replies=[Reply(200, "all of them, by name", list[Variable])],
    ),
    Route(
        "GET", "/vars/{variableName}", get_variable, tag=TAG, summary="Get a variable",
        replies=[Reply(200, "the variable", Variable)],
    ),
    Route(
        "PUT", "/vars/{variableName}", put_variable, tag=TAG, summary="Set a variable",
        description="Steps that are resolved from now on read it as `vars.<name>`.", body=VariableBody,
        replies=[Reply(200, "it had another value before", Variable), Reply(201, "the name is new", Variable)],
    ),
    Route(
        "DELETE", "/vars/{variableName}", remove_variable, tag=TAG, summary="Remove a variable",
        replies=[Reply(200, "it is gone", VariableRemoved)],
    ),
)  # fmt: skip
