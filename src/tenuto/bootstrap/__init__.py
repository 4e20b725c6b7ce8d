"""The composition root: the only room that names concrete adapters. It makes an `Engine` out of settings, and a server
out of an engine (`bootstrap.server`, loaded only by those who serve)."""

from tenuto.bootstrap.engine import Engine
from tenuto.bootstrap.settings import Settings

__all__ = ["Engine", "Settings"]
