"""docs/api.md is true: its commands are run in order, and what it shows has the keys and types of what is answered."""

import re
import shlex
from pathlib import Path
from typing import Any

import msgspec

from tenuto.api.docs import ALL_ROUTES
from tenuto.observability.metrics import Metrics
from tests.api.client import Client, Reply

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def examples() -> list[tuple[str, str]]:
    """Each command of the page with the output shown under it ("" for none)."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            end = example.rindex("}'") + 2 if "-d '{" in example else example.index("\n")
            command = example[:end]
            found.append((command, example[len(command) :].strip()))
    return found


async def run(client: Client, command: str) -> Reply:
    words = shlex.split(command)
    assert words.pop(0) == "curl"
    method, headers, body, target = "GET", {}, None, ""
    while words:
        match words.pop(0):
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name.lower()] = value
            case "-d":
                body = words.pop(0).encode()
            case url:
                target = url.removeprefix("http://127.0.0.1:3000")
    return await client.ask(method, target, headers=headers, body=body)


def outline(data: Any) -> Any:
    """Keys and types. Lists of texts are ids, and only that they are texts matters."""
    match data:
        case dict():
            return {key: outline(value) for key, value in data.items()}
        case list():
            return (
                ["texts"]
                if data and all(isinstance(item, str) for item in data)
                else [outline(item) for item in data]
            )
        case _:
            return type(data).__name__


async def test_the_pages_commands_answer_what_it_shows(client: Client) -> None:
    assert len(examples()) > 20
    for command, shown in examples():
        reply = await run(client, command)
        if shown.startswith(("{", "[")):
            expected = msgspec.json.decode(shown)
            assert outline(reply.json()) == outline(expected), command
            if isinstance(expected, dict) and "title" in expected:
                assert reply.json() == expected
        elif shown:
            assert reply.text.strip() == shown
        if '"status": 4' not in shown:
            assert reply.status < 300, f"{command}: {reply.text}"


def test_the_page_has_every_call() -> None:
    for route in ALL_ROUTES:
        assert f"`{route.method} {route.path}`" in PAGE
    listed = re.findall(r"^\| \[`[A-Z]+ /", PAGE, re.MULTILINE)
    assert len(listed) == len(ALL_ROUTES)


def test_the_page_has_every_metric() -> None:
    for name in re.findall(r"^# TYPE (tenuto_\w+)", Metrics().text().decode(), re.MULTILINE):
        assert f"`{name}" in PAGE
