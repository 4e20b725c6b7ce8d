from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_limits_are_set_listed_and_taken_back(run: Run) -> None:
    assert run("limits", "set", "db/main", "3").out == "db/main limit 3\n"
    assert [row.split() for row in run("limits", "list").out.splitlines()] == [
        ["KEY", "OF", "LIMIT", "SET", "HELD", "WAITING"],
        ["db/main", "3", "by", "hand", "0", "0"],
    ]
    assert run("limits", "list", "-o", "json").json[0]["override"] == 3
    assert run("limits", "remove", "db/main").out == "db/main removed\n"
    assert run("limits", "remove", "db/main").code == 4
    assert run("limits", "set", "db/main", "-1").code == 2
    assert run("limits", "list").out == ""


def test_variables_are_set_read_and_removed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text("eur: 1.1\n")
    assert run("vars", "set", "rates", f"@{tmp_path / 'rates.yaml'}").out == "rates set\n"
    assert run("vars", "set", "region", "--text", "no").out == "region set\n"
    assert run("vars", "set", "region", "[1]").out == "region changed\n"
    assert run("vars", "get", "rates").json == {"eur": 1.1}
    assert run("vars", "list", "-o", "json").json == {"rates": {"eur": 1.1}, "region": [1]}
    assert run("vars", "list").out.splitlines()[1:] == ['rates   {"eur":1.1}', "region  [1]"]
    assert run("vars", "set", "region", "{").code == 2
    for name in ("rates", "region"):
        assert run("vars", "remove", name).out == f"{name} removed\n"
    assert run("vars", "get", "rates").code == 4
