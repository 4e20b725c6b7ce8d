from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tenuto.cli.checking import check_here
from tenuto.cli.demo import documents, processes
from tenuto.cli.demo.processes import Child
from tenuto.cli.inputs import read_document
from tenuto.client import SyncClient

EXAMPLES = Path(__file__).parents[2] / "examples"
DEFINITIONS = sorted(EXAMPLES.glob("*.json"))


@pytest.fixture
def services_url(tmp_path: Path) -> Iterator[str]:
    services = processes.services(tmp_path)
    try:
        yield services.start()
    finally:
        services.stop()


def test_every_example_is_valid_without_a_warning() -> None:
    checks = check_here([(file.name, read_document(str(file))) for file in DEFINITIONS], None)
    assert len(checks) == 4
    assert [check for check in checks if check.problems or check.warnings] == []


@pytest.mark.parametrize("file", DEFINITIONS, ids=lambda file: file.name)
def test_the_examples_shown_are_those_in_the_package(file: Path) -> None:
    packaged = files("tenuto.cli.demo").joinpath("workflows", file.name)
    assert file.read_text() == packaged.read_text("utf-8")


def test_order_processing_runs_to_its_end(tmp_path: Path, services_url: str) -> None:
    document = documents.load("order-processing", services_url)
    for step in document["steps"]:
        step.setdefault("retryPolicy", {})["initialDelay"] = 1  # the payment is refused twice
    server = processes.server(tmp_path)
    try:
        with SyncClient(server.start("--port", "0")) as client:
            client.register(document)
            ended = client.start_and_wait("order-processing", {"orderId": "order-123", "amount": 99.99})
    finally:
        server.stop()
    assert ended.status == "completed"
    assert ended.step_results["charge-payment"].attempts == 3
    assert ended.output == {"fulfill-order": {"fulfilled": True}}


def test_executors_of_a_users_module_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    arguments = ["-m", "tenuto", "serve", "--db", "memory:", "--app", "custom_executor:engine", "--port", "0"]
    server = Child("server", arguments, tmp_path)
    try:
        with SyncClient(server.start()) as client:
            ended = client.start_and_wait("price-quote", {"item": "metronome", "quantity": 3})
    finally:
        server.stop()
    assert (ended.status, ended.output) == ("completed", {"quote": {"total": 73.5}})


@pytest.mark.parametrize(
    ("program", "said"), [("embedded.py", "completed Hello, Clara!"), ("dynamic.py", "completed 148.9")]
)
def test_programs_do_what_they_say(program: str, said: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / program), f"sqlite:///{tmp_path}/example.db"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, said), ran.stderr


def test_every_example_is_listed_in_the_readme() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    shown = [file.name for file in EXAMPLES.iterdir() if file.suffix in (".json", ".py")]
    assert [name for name in shown if f"`{name}`" not in readme] == []
