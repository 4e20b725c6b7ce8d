"""Schedules over HTTP, with a node behind it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tenuto.api import shapes
from tenuto.api.app import create_app
from tenuto.api.schedules import Deleted, Triggered
from tenuto.bootstrap import Engine, Settings
from tenuto.ports.schedules import BackfillView, DryRun, NextTime, ScheduleBrief, ScheduleView
from tests.api.client import Client

NIGHTLY = {"workflowId": "w", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    engine = Engine(settings=Settings(database="memory:", grace=0))
    async with engine:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a"}]})
        yield Client(
            create_app(engine.node, schedules=engine.schedules, bulk=engine.bulk, clock=engine.clock)
        )


async def test_every_answer_is_of_the_type_that_is_described(client: Client) -> None:
    past = {"from": 1_700_000_000_000, "until": 1_700_200_000_000}
    calls: list[tuple[str, str, Any, int, Any]] = [
        ("POST", "/schedules", NIGHTLY | {"id": "s"}, 201, ScheduleView),
        ("POST", "/schedules", NIGHTLY | {"id": "s"}, 200, ScheduleView),
        ("POST", "/schedules", NIGHTLY | {"id": "s", "jitter": 5}, 409, shapes.ProblemDetails),
        ("PUT", "/schedules/s", NIGHTLY | {"jitter": 5}, 200, ScheduleView),
        ("PUT", "/schedules/t", {"workflowId": "w@1", "interval": 3_600_000}, 201, ScheduleView),
        (
            "PUT",
            "/schedules",
            {"id": "t", "workflowId": "w", "interval": 1000, "paused": True},
            200,
            ScheduleView,
        ),
        ("GET", "/schedules", None, 200, list[ScheduleBrief]),
        ("GET", "/schedules/s", None, 200, ScheduleView),
        ("GET", "/schedules/s/next?count=3", None, 200, list[NextTime]),
        ("POST", "/schedules/s/trigger", None, 201, Triggered),
        ("POST", "/schedules/s/trigger", {"executionId": "x"}, 201, Triggered),
        ("POST", "/schedules/s/trigger", {"executionId": "x"}, 200, Triggered),
        ("POST", "/schedules/s/pause", {"note": "n", "by": "ann"}, 200, ScheduleView),
        ("POST", "/schedules/s/resume", None, 200, ScheduleView),
        ("POST", "/schedules/s/backfill", past | {"dryRun": True}, 200, DryRun),
        ("POST", "/schedules/s/backfill", past, 202, BackfillView),
        ("GET", "/schedules/s", None, 200, ScheduleView),
        ("DELETE", "/schedules/s", None, 200, Deleted),
        ("GET", "/schedules/s", None, 404, shapes.ProblemDetails),
        ("POST", "/schedules/s/trigger", None, 404, shapes.ProblemDetails),
        ("POST", "/schedules/s/backfill", past, 404, shapes.ProblemDetails),
        ("GET", "/schedules/t/backfills/b", None, 404, shapes.ProblemDetails),
    ]
    for method, target, body, status, shape in calls:
        reply = await client.ask(method, target, body)
        assert reply.status == status, f"{method} {target}: {reply.text}"
        msgspec.json.decode(reply.body, type=shape)


async def test_every_problem_comes_at_once(client: Client) -> None:
    reply = await client.post(
        "/schedules", {"cron": "0 99 * * *", "timezone": "Mars", "overlap": 1, "tags": {"scheduleId": ""}}
    )
    assert reply.status == 400
    paths = {problem["path"] for problem in reply.json()["errors"]}
    assert paths == {"id", "workflowId", "cron", "timezone", "overlap", "tags.scheduleId"}


async def test_what_can_only_be_known_here_is_refused_with_its_place(client: Client) -> None:
    reply = await client.post("/schedules", {"id": "s", "workflowId": "nope", "interval": 1000, "endAt": 1})
    assert {problem["path"] for problem in reply.json()["errors"]} == {"workflowId", "endAt"}
    assert (await client.get("/schedules")).json() == []
    await client.post("/schedules", NIGHTLY | {"id": "s"})
    soon = round(time.time() * 1000) + 3_600_000
    reply = await client.post("/schedules/s/backfill", {"from": 1, "until": soon})
    assert [problem["path"] for problem in reply.json()["errors"]] == ["until"]


async def test_pages_of_schedules_lead_to_one_another(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.ask("PUT", f"/schedules/{name}", NIGHTLY)
    first = await client.get("/schedules?limit=2&workflowId=w")
    assert [schedule["id"] for schedule in first.json()] == ["a", "b"]
    target = first.headers["link"].partition(">")[0].removeprefix("<")
    last = await client.get(target)
    assert [schedule["id"] for schedule in last.json()] == ["c"]
    assert "link" not in last.headers


async def test_a_schedule_as_it_is_served_cannot_be_sent_back_by_mistake(client: Client) -> None:
    served = (await client.post("/schedules", NIGHTLY | {"id": "s"})).json()
    reply = await client.ask("PUT", "/schedules/s", served)
    assert reply.status == 400
    assert {problem["path"] for problem in reply.json()["errors"]} >= {"nextAt", "counts"}


async def test_schedules_outlive_a_restart(tmp_path: Any) -> None:
    database = f"sqlite:///{tmp_path}/t.db"
    async with Engine(database) as engine:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a"}]})
        kept = await engine.schedule("s", NIGHTLY)
        await engine.schedules.pause("s", "holidays", "ann")
    async with Engine(database) as engine:
        view = await engine.schedules.get("s")
        assert (view.paused, view.note, view.paused_by) == (True, "holidays", "ann")
        assert (await engine.schedules.resume("s", None, None)).next_at == kept.next_at
