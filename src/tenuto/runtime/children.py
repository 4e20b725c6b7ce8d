"""Children: executions that steps start, through the same door as everybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenuto.core.events import ParentLink, StepError
from tenuto.core.state import State
from tenuto.core.view import output
from tenuto.errors import Conflict
from tenuto.ports.children import ChildEnd
from tenuto.ports.host import Host, StartRequest


class HostChildren:
    """Starts children on `host`, which is given when there is one: actions are made before."""

    def __init__(self, host: Host | None = None) -> None:
        self.host = host

    async def start_child(
        self,
        parent: ParentLink,
        workflow_id: str,
        version: int | None,
        context: Mapping[str, Any],
        execution_id: str,
    ) -> ChildEnd | None:
        """See `Children`."""
        host = self.host
        assert host is not None, "steps run on a host"
        request = StartRequest(
            workflow_id=workflow_id,
            version=version,
            context=dict(context),
            execution_id=execution_id,
            parent=parent,
        )
        if (await host.start(request)).created:
            return None
        state = await host.read(execution_id)
        if state.parent != parent:
            raise Conflict(f"the execution {execution_id!r} is there already, and no child of this step")
        return _end(state) if state.is_terminal else None


def _end(state: State) -> ChildEnd:
    if state.status == "completed":
        return ChildEnd(output(state))
    if state.status == "cancelled":
        return ChildEnd(error=StepError("cancelled", f"the execution {state.execution_id} was cancelled"))
    return ChildEnd(error=state.error)
