"""Pictures of a workflow, with or without the state of one of its executions: as data, Mermaid, DOT, SVG, and in
characters for a terminal. Everything is worked out here from graph and state; nothing recurses, and 10,000 steps are drawn
in seconds.
"""

from tenuto.core.drawing.console import terminal
from tenuto.core.drawing.markup import dot, mermaid
from tenuto.core.drawing.parts import data
from tenuto.core.drawing.vector import svg

__all__ = ["data", "dot", "mermaid", "svg", "terminal"]
