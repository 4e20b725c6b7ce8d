"""Installs what an engine needs into a folder of its own, once; a folder that was finished before is used again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers.catalogue import Environment

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench" / "peers"
INSTALL_LIMIT_S = 600


class NotInstalled(Exception):
    """What the engine needs could not be installed; the message is the installer's last words."""


def prepare(environment: Environment) -> Path:
    """The folder with everything installed. Raises NotInstalled."""
    folder = FOLDER / environment.name
    if is_prepared(environment):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _install([*pip, *environment.pypi])
    if environment.npm:
        _install_from_npm(folder / "node", environment.npm)
    _stamp(environment).write_text(json.dumps(environment))
    return folder


def is_prepared(environment: Environment) -> bool:
    """Whether exactly this was installed before."""
    stamp = _stamp(environment)
    return stamp.exists() and stamp.read_text() == json.dumps(environment)


def _stamp(environment: Environment) -> Path:
    """The file that is written last."""
    return FOLDER / environment.name / "installed.json"


def _install_from_npm(folder: Path, packages: tuple[str, ...]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not installed on this machine")
    folder.mkdir()
    _install(
        [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", *packages]
    )


def _install(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT_S)
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line.lower()]
        raise NotInstalled((lines or error.stderr.splitlines() or ["no message"])[-1]) from error
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"the installation took longer than {INSTALL_LIMIT_S} s") from error


def versions(environment: Environment) -> str:
    """`name version` of the packages that matter, as installed."""
    folder = FOLDER / environment.name
    return ", ".join(f"{name} {_version(folder, name)}" for name in environment.shown)


def _version(folder: Path, name: str) -> str:
    if name.startswith("@"):
        package = json.loads((folder / "node" / "node_modules" / name / "package.json").read_text())
        return str(package["version"])
    probe = f"import importlib.metadata as m; print(m.version({name!r}))"
    answer = subprocess.run(
        [folder / "bin" / "python", "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    return answer.stdout.strip()


def python_of(environment: Environment) -> str:
    """The interpreter of the environment."""
    return str(FOLDER / environment.name / "bin" / "python")


def own_python() -> str:
    """The interpreter that has Tenuto installed: the one this runs on."""
    return sys.executable
