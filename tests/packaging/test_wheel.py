"""What people install: one wheel with everything in it that the program needs, and a door that keeps its word."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_string
from importlib import import_module
from pathlib import Path

import pytest

import tenuto

ROOT = Path(__file__).parents[2]


PROGRAM = """
import asyncio, sys
sys.path.insert(0, FOLDER)
import tenuto
assert tenuto.__file__.startswith(FOLDER), tenuto.__file__
params = {"input": "{{ input }}", "code": "return [input.n + 1]"}
steps = [{"id": "a", "action": "transform", "params": params}]

async def main():
    async with tenuto.Engine("memory:") as engine:
        await engine.register_workflow({"id": "w", "steps": steps})
        print((await engine.execute("w", {"n": 1}))["context"]["a"])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def metadata_of(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    sources = (ROOT / "src").rglob("*")
    wanted = {
        str(path.relative_to(ROOT / "src"))
        for path in sources
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == wanted
    assert "tenuto/py.typed" in wanted


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_string(metadata_of(wheel, "METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("tenuto", tenuto.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "tenuto = tenuto.cli.main:main" in metadata_of(wheel, "entry_points.txt")


def test_the_wheel_needs_nothing_that_only_development_needs(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_string(metadata_of(wheel, "METADATA"))
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert needed
    assert not [line for line in needed if line.startswith(("pytest", "mypy", "ruff", "hypothesis"))]


def test_what_the_wheel_holds_works_by_itself(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    program = PROGRAM.replace("FOLDER", repr(str(tmp_path)))
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.stdout == "[2]\n"


def test_everything_the_door_names_is_behind_it() -> None:
    for name in tenuto.__all__:
        assert getattr(tenuto, name) is not None
    assert set(tenuto.__all__) == {*tenuto._DOORS, "__version__"}
    assert sorted(tenuto.__all__) == list(tenuto.__all__)


def test_names_behind_the_door_are_those_of_their_own_modules() -> None:
    for name, module in tenuto._DOORS.items():
        assert getattr(tenuto, name) is getattr(import_module(module), name)


def test_what_is_not_named_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'tenuto' has no attribute 'Nodes'"):
        _ = tenuto.Nodes


def test_importing_tenuto_loads_neither_the_engine_nor_the_server() -> None:
    program = "import sys, tenuto; print(*(m for m in ('asyncio', 'apsw', 'aiohttp', 'uvicorn') if m in sys.modules))"
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("", "")


def test_type_checkers_see_all_that_the_door_names(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    names = [name for name in tenuto.__all__ if name != "__version__"]
    program.write_text("import tenuto\n" + "".join(f"reveal_type(tenuto.{name})\n" for name in names))
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--follow-imports=silent",
        str(program),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert '"Any"' not in ran.stdout
