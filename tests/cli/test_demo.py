from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from rich.console import Console

from tenuto.cli.demo import documents, processes
from tenuto.cli.demo.evidence import CallLog, Claim, counts, keys, statuses
from tenuto.cli.demo.services import Call
from tenuto.cli.demo.story import sum_up


def test_the_demo_proves_what_it_claims_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tenuto", "demo"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "✗" not in demo.stdout
    assert "All 12 claims above were checked and hold." in demo.stdout
    assert "killed with SIGKILL" in demo.stdout
    pids = re.findall(r"process (\d+)|started again as (\d+)|server (\d+) killed", demo.stdout)
    assert len(pids) == 3
    assert [pid for found in pids for pid in found if pid and is_alive(pid)] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_interrupted_ends_everything_it_started(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        process_group=0,
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "CI/CD Pipeline completed" in line:
                break
        children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        demo.send_signal(number)
        demo.communicate()
    assert len(children) == 2
    assert demo.returncode == 130
    assert [pid for pid in children if is_alive(pid)] == []
    assert list(tmp_path.iterdir()) == []


def is_alive(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_stand_ins_refuse_a_payment_twice_for_each_key_and_remember_every_call(tmp_path: Path) -> None:
    services = processes.services(tmp_path)
    try:
        url = services.start()
        answers = [post(f"{url}/payment/charge", key) for key in ("k1", "k1", "k2", "k1")]
        calls = CallLog(url).read()
    finally:
        services.stop()
    assert answers == [503, 503, 503, 200]
    assert [(call.service, call.key, call.status) for call in calls] == [
        ("payment", key, status) for key, status in zip(("k1", "k1", "k2", "k1"), answers, strict=True)
    ]


def post(url: str, key: str) -> int:
    try:
        with urlopen(Request(url, b"{}", {"Idempotency-Key": key}, method="POST")) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code


def call(step: str, status: int | None, key: str | None = "k") -> Call:
    return Call("s", "/s/x", "POST", key, "e1", step, "1", 0, status)


def test_evidence_is_counted_by_step() -> None:
    calls = [call("pay", 503), call("pay", 200), call("pack", None, "other")]
    assert counts(calls) == {"pay": 2, "pack": 1}
    assert statuses(calls, "pay") == [503, 200]
    assert keys(calls, "pack") == {"other"}


@pytest.mark.parametrize(
    ("claims", "holds"),
    [
        ([Claim("a", True), Claim("b", True)], True),
        ([Claim("a", True), Claim("b", False, "seen")], False),
        ([], False),
    ],
)
def test_one_claim_that_does_not_hold_fails_the_demo(claims: list[Claim], holds: bool) -> None:
    console = Console(width=80)
    with console.capture() as captured:
        assert sum_up(console, claims) is holds
    assert ("not so: b (seen)" in captured.get()) is any(not claim.holds for claim in claims)


def test_workflows_of_the_demo_call_the_stand_ins_wherever_they_are() -> None:
    step = documents.load("order-flow", "http://127.0.0.1:9")["steps"][0]
    assert step["params"]["url"] == "http://127.0.0.1:9/validation/validate"
