"""The example workflows that come with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

from tenuto.cli.demo.services import DEFAULT_PORT

WRITTEN_FOR = f"http://127.0.0.1:{DEFAULT_PORT}"


def load(name: str, services_url: str = WRITTEN_FOR) -> dict[str, Any]:
    """The definition `name`, with its calls going to the stand-ins at `services_url`."""
    text = files("tenuto.cli.demo").joinpath("workflows", f"{name}.json").read_text("utf-8")
    return msgspec.json.decode(text.replace(WRITTEN_FOR, services_url), type=dict[str, Any])
