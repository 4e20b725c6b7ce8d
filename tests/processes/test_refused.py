"""A server that cannot start says why in one line, leaves with exit code 2, and touches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest

from tests.processes.server import Server

REFUSED = 2


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    """A server on `tenuto.db`."""
    with ExitStack() as stack:
        yield stack.enter_context(Server(tmp_path))


def refusal_of(server: Server) -> str:
    """What a server that does not start says; its last line."""
    try:
        server.start()
        assert server.wait_ended() == REFUSED
    finally:
        server.kill()
    said = server.said()
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


def test_a_second_server_on_the_same_database_is_told_whose_it_is(tmp_path: Path, running: Server) -> None:
    assert running.process is not None
    said = refusal_of(Server(tmp_path))
    assert said.startswith("Error: ")
    assert f"is in use by another Tenuto server (process {running.process.pid})" in said
    assert running.ask("GET", "/readyz").status == 200


def test_a_database_is_free_again_when_its_server_was_killed(tmp_path: Path, running: Server) -> None:
    running.kill()
    with Server(tmp_path) as after:
        assert after.ask("GET", "/readyz").status == 200


def test_a_port_that_is_taken_is_named(tmp_path: Path, running: Server) -> None:
    other = Server(tmp_path, database=f"sqlite:///{tmp_path / 'other.db'}", port=running.port)
    assert refusal_of(other) == (
        f"Error: cannot listen on 127.0.0.1:{running.port}: the port is taken or not ours to use"
    )
    assert running.ask("GET", "/readyz").status == 200


def test_a_database_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert server.ask("GET", "/readyz").status == 200
        server.stop()
    file = tmp_path / "tenuto.db"
    connection = apsw.Connection(str(file))
    connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema_version'")
    connection.close()
    before = file.read_bytes()
    said = refusal_of(Server(tmp_path))
    assert "was written by a newer Tenuto: it has schema version 99" in said
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "tenuto.db"
    file.write_text("my diary\n" * 500)
    assert "is not a Tenuto store: file is not a database. Use another file." in refusal_of(Server(tmp_path))
    assert file.read_text() == "my diary\n" * 500


def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "tenuto.db"
    connection = apsw.Connection(str(file))
    connection.execute("CREATE TABLE accounts (id)")
    connection.close()
    before = file.read_bytes()
    assert "belongs to another program. Use another file for Tenuto." in refusal_of(Server(tmp_path))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("sqlite:////nowhere/at/all/tenuto.db", "/nowhere/at/all"),
        ("postgresql://somebody:secret@db/tenuto", "postgresql databases are not supported yet"),
        ("oracle://somebody:secret@db/tenuto", "cannot tell what database"),
    ],
)
def test_a_database_that_cannot_be_is_named_without_its_password(
    tmp_path: Path, database: str, words: str
) -> None:
    said = refusal_of(Server(tmp_path, database=database))
    assert words in said
    assert "secret" not in said


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "tenuto.db").mkdir()
    assert "tenuto.db" in refusal_of(Server(tmp_path))
