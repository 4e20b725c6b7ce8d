"""The table of `tenuto serve`'s options, from the command itself."""

from __future__ import annotations

from functools import cache

import typer
from typer.main import get_command

from tenuto.cli.main import app


def serve_rows() -> list[str]:
    """One row of a Markdown table for each option: flag, variable, default, meaning."""
    return [_row(option) for option in options_of("serve") if option.envvar]


def options_of(command: str) -> list[typer.core.TyperOption]:
    """The options of one command, and of those under it."""
    found = _group().commands[command]
    all_of_it = [found, *found.commands.values()] if isinstance(found, typer.core.TyperGroup) else [found]
    return [
        option for each in all_of_it for option in each.params if isinstance(option, typer.core.TyperOption)
    ]


def commands() -> list[str]:
    """The names of all commands."""
    return list(_group().commands)


@cache
def _group() -> typer.core.TyperGroup:
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup), "tenuto has commands"
    return group


def variables() -> set[str]:
    """Every environment variable that some option reads."""
    return {str(option.envvar) for name in commands() for option in options_of(name) if option.envvar}


def _row(option: typer.core.TyperOption) -> str:
    default = "–" if option.default is None else f"`{getattr(option.default, 'value', option.default)}`"
    flags = ", ".join(f"`{flag}`" for flag in option.opts)
    return f"| {flags} | `{option.envvar}` | {default} | {option.help} |"


if __name__ == "__main__":
    print("\n".join(serve_rows()))
