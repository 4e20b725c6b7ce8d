from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tenuto.bootstrap import Settings, server
from tests.cli.conftest import Run

Greet = Callable[[str], None]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that a server would have been started with."""
    settings: list[Settings] = []

    def serve(given: Settings, on_ready: Greet) -> None:
        settings.append(given)
        on_ready("http://127.0.0.1:4711")

    monkeypatch.setattr(server, "serve", serve)
    return settings


def test_without_flags_everything_is_as_settings_say(bare: Run, served: list[Settings]) -> None:
    assert bare("serve").code == 0
    assert served == [Settings()]


def test_a_ready_server_says_where_it_is_in_one_line(bare: Run, served: list[Settings]) -> None:
    ran = bare("serve", "--db", "orders.db")
    assert (
        ran.out
        == "Tenuto is ready on http://127.0.0.1:4711 (keeping everything in orders.db). Ctrl-C stops it.\n"
    )


def test_every_setting_has_a_flag(bare: Run, served: list[Settings]) -> None:
    flags = {
        "--host": "0.0.0.0",
        "--port": "0",
        "--database": "sqlite:///a.db",
        "--app": "shop:engine",
        "--grace": "1m",
        "--log-level": "debug",
        "--log-format": "json",
        "--script-workers": "3",
        "--script-timeout": "250ms",
        "--writer": "thread",
        "--public-url": "https://tenuto.example/base/",
    }
    wanted = Settings(
        host="0.0.0.0",
        port=0,
        database="sqlite:///a.db",
        app="shop:engine",
        grace=60_000,
        log_level="debug",
        log_format="json",
        script_workers=3,
        script_timeout=250,
        writer="thread",
        public_url="https://tenuto.example/base",
    )
    assert bare("serve", *(word for pair in flags.items() for word in pair)).code == 0
    assert served == [wanted]
    unset = [
        field for field in Settings.__struct_fields__ if getattr(wanted, field) == getattr(Settings(), field)
    ]
    assert unset == [], "a setting that no flag sets"


def test_every_setting_has_a_variable(
    bare: Run, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "HOST": "::1",
        "PORT": "8080",
        "DATABASE": "memory:",
        "APP": "a:b",
        "GRACE": "5s",
        "LOG_LEVEL": "error",
    }
    given |= {"LOG_FORMAT": "console", "SCRIPT_WORKERS": "1", "SCRIPT_TIMEOUT": "1s", "WRITER": "process"}
    given |= {"PUBLIC_URL": "http://[::1]:8080"}
    for name, value in given.items():
        monkeypatch.setenv(f"TENUTO_{name}", value)
    assert bare("serve").code == 0
    assert {name.lower() for name in given} == set(Settings.__struct_fields__)
    assert msgspec.structs.astuple(served[0]) == (
        "::1", 8080, "memory:", "a:b", 5000, "error", "console", 1, 1000, "process", "http://[::1]:8080"
    )  # fmt: skip


def test_a_flag_beats_its_variable(
    bare: Run, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENUTO_PORT", "8080")
    bare("serve", "--port", "9090")
    assert served[0].port == 9090


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("orders.db", "sqlite:///orders.db"),
        ("/var/lib/orders.db", "sqlite:////var/lib/orders.db"),
        ("my orders.db", "sqlite:///my%20orders.db"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("memory:", "memory:"),
    ],
)
def test_a_files_name_is_a_database_too(bare: Run, served: list[Settings], given: str, url: str) -> None:
    bare("serve", "--database", given)
    assert served[0].database == url


@pytest.mark.parametrize(
    "flag",
    [
        ["--grace", "10"],
        ["--port", "70000"],
        ["--script-workers", "0"],
        ["--public-url", "tenuto.example"],
        ["--public-url", "https://tenuto.example/?a=1"],
    ],
)
def test_a_setting_that_cannot_work_is_a_usage_error(
    bare: Run, served: list[Settings], flag: list[str]
) -> None:
    assert bare("serve", *flag).code == 2
    assert served == []


def test_a_database_of_a_kind_that_is_unknown_is_named(bare: Run) -> None:
    ran = bare("serve", "--database", "oracle://host/x")
    assert ran.code == 2
    assert "oracle://host/x" in ran.err


def test_an_app_that_is_not_there_is_named(bare: Run) -> None:
    ran = bare("serve", "--db", "memory:", "--app", "nosuch_module:engine")
    assert ran.code == 2
    assert "nosuch_module" in ran.err
