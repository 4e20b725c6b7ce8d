"""The name a workflow's definition gives itself, which lists are searched by."""

from __future__ import annotations

import msgspec


class _Named(msgspec.Struct):
    name: str = ""


def workflow_name(definition: bytes) -> str:
    """`name` of a definition in JSON; empty where there is none."""
    try:
        return msgspec.json.decode(definition, type=_Named).name
    except msgspec.MsgspecError:
        return ""
