from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tenuto import __version__
from tenuto.cli.main import COMMANDS
from tests.cli.conftest import Run

NAMES = [name for commands in COMMANDS.values() for name in commands]


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_names_every_command_and_the_exit_codes(bare: Run) -> None:
    ran = bare("--help")
    assert ran.code == 0
    assert [name for name in NAMES if f" {name} " not in ran.out] == []
    assert "Exit codes" in ran.out


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bench"])
def test_every_command_explains_itself(bare: Run, name: str) -> None:
    ran = bare(name, "--help")
    assert ran.code == 0
    assert f"Usage: tenuto {name}" in ran.out


def test_bench_shows_its_own_help(bare: Run) -> None:
    ran = bare("bench", "--help")
    assert ran.code == 0
    assert "Usage: tenuto bench" in ran.out
    assert "--quick" in ran.out


def test_without_a_command_help_is_shown(bare: Run) -> None:
    assert "Usage: tenuto" in bare().out


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_version_is_the_packages(bare: Run, arguments: list[str]) -> None:
    assert bare(*arguments).out == f"tenuto {__version__}\n"


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion(bare: Run) -> None:
    ran = bare("lst")
    assert ran.code == 2
    assert "'list'" in ran.err


def test_a_mistyped_option_is_a_usage_error(bare: Run) -> None:
    assert bare("list", "--statsu", "failed").code == 2


def test_help_loads_neither_client_nor_server() -> None:
    ran = python(
        "import sys; sys.argv = ['tenuto', '--help']\n"
        "from tenuto.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'aiohttp', 'uvicorn', 'starlette', 'apsw', 'quickjs', 'tenuto.bootstrap', 'tenuto.core'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    assert ran.stderr.strip() == "[]"


def test_serve_loads_nothing_of_tables_and_client() -> None:
    ran = python(
        "import sys; sys.argv = ['tenuto', 'serve']\n"
        "import tenuto.bootstrap.server as server\n"
        "unneeded = {'rich.live', 'pydantic', 'markdown_it', 'tenuto.client', 'tenuto.cli.live', 'tenuto.cli.tables'}\n"
        "server.serve = lambda *given: print(sorted(unneeded & set(sys.modules)))\n"
        "from tenuto.cli.main import main\n"
        "main()\n"
    )
    assert ran.stdout.strip() == "[]", ran.stderr


def complete(line: str, **environment: str) -> str:
    """What bash is offered at the end of the line."""
    words = line.split(" ")
    ran = python(
        "import sys; sys.argv = ['tenuto']\nfrom tenuto.cli.main import main\nmain()",
        _TENUTO_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
        **environment,
    )
    return ran.stdout


def test_the_shell_completes_commands() -> None:
    assert complete("tenuto wat").split() == ["watch"]


def test_the_shell_completes_workflow_ids_that_the_server_has(run: Run, server_url: str) -> None:
    run("register", "examples/cicd-pipeline.json")
    assert complete("tenuto start cicd-", TENUTO_URL=server_url).split() == ["cicd-pipeline"]


def test_the_shell_completes_no_ids_without_a_server(dead_url: str) -> None:
    assert complete("tenuto watch exec-", TENUTO_URL=dead_url).strip() == ""
