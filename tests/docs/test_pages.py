"""What the pages name is there: pages and headings, commands and flags, variables, calls, metrics, files, targets,
limits. Nothing here says whether a sentence is true; it says that what it speaks of exists."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tenuto.actions import call_params, json_data, workflow_run
from tenuto.api import executions, query
from tenuto.api.docs import ALL_ROUTES
from tenuto.api.limits import Limits
from tenuto.bootstrap import Engine, Settings
from tenuto.core import definition, people, sources, state, view
from tenuto.core.retry import delay_before
from tenuto.observability.metrics import Metrics
from tenuto.runtime import bulk, delivery, large_results, outbox, result_cache
from tenuto.runtime.schedules import backfills, live, local, overlap
from tenuto.runtime.settings import NodeSettings
from tenuto.scripting.request import Limits as ScriptLimits
from tenuto.wire import requests, schedules, schema, steps
from tests.docs.pages import PAGES, ROOT, anchors_of, blocks_of, code_spans, links_of, name_of, text_of
from tests.docs.settings import commands, options_of, serve_rows, variables

BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=name_of)
OF_TESTS = {"TENUTO_SEEDS", "TENUTO_EXAMPLES"}
OF_OTHERS = {"--install-completion", "--planted", "--seed"}
"""Options that are not of a command of ours: completion is Typer's, the others belong to campaigns."""

SOURCE = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))


@BY_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links_of(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        files = [
            (page.parent / link.partition("#")[0]).resolve() for link in links_of(page) if "://" not in link
        ]
        new = [file for file in files if file.suffix == ".md" and file not in reached and file.exists()]
        reached |= set(new)
        ahead += new
    assert [name_of(page) for page in PAGES if page not in reached] == []


@BY_PAGE
def test_commands_and_their_flags_exist(page: Path) -> None:
    lines = [span for span in code_spans(page) if span.startswith("tenuto ")]
    for block in blocks_of(page):
        if block.language in ("console", "sh", "ini"):
            lines += re.findall(r"(?:^|[\s$/])(tenuto [a-z].*)$", block.text, re.MULTILINE)
    wrong = []
    for line in lines:
        words = line.split()
        flags = [re.split(r"[=`,)]", word)[0] for word in words if re.match(r"--[a-z]|-[a-z]$", word)]
        if words[1].startswith("-"):
            continue
        name = re.sub(r"\W+$", "", words[1])
        if name not in commands():
            wrong.append(line)
        elif name != "bench":  # whose options are in a room of their own
            known = {flag for option in options_of(name) for flag in option.opts}
            wrong += [f"{line}: {flag}" for flag in flags if flag not in known]
    assert wrong == []


@BY_PAGE
def test_flags_named_alone_exist(page: Path) -> None:
    known = {flag for name in commands() for option in options_of(name) for flag in option.opts} | OF_OTHERS
    flags = [span for span in code_spans(page) if re.fullmatch(r"--[a-z][a-z-]*", span)]
    bench = text_of("src/tenuto/cli/bench/command.py")
    assert [flag for flag in flags if flag not in known and f'"{flag}"' not in bench] == []


@BY_PAGE
def test_variables_exist(page: Path) -> None:
    named = set(re.findall(r"\bTENUTO_[A-Z_]+", page.read_text()))
    assert named - variables() - OF_TESTS == set()


@BY_PAGE
def test_calls_exist(page: Path) -> None:
    known = {f"{route.method} {re.sub('{[^}]*}', '{}', route.path)}" for route in ALL_ROUTES}
    named = [span for span in code_spans(page) if re.match(r"(GET|POST|PUT|DELETE) /", span)]
    calls = {
        span: re.sub(r"\{[^}]*\}", "{}", re.split(r"[?\[ ]", span.partition(" ")[2])[0]) for span in named
    }
    wrong = [span for span, path in calls.items() if f"{span.partition(' ')[0]} {path}" not in known]
    assert [span for span in wrong if "…" not in span] == []


@BY_PAGE
def test_metrics_and_log_events_exist(page: Path) -> None:
    text = Metrics().text().decode()
    metrics = re.findall(r"`(tenuto_\w+|process_\w+)", page.read_text())
    assert [name for name in metrics if name not in text and name != "process_"] == []
    if name_of(page) == "docs/operations.md":
        section = page.read_text().split("## Logs")[1].split("\n## ")[0]
        events = [
            name
            for row in re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE)
            for name in row.split("`")[1::2]
        ]
        assert events
        assert [event for event in events if f'"{event}"' not in SOURCE] == []


@BY_PAGE
def test_files_that_are_named_exist(page: Path) -> None:
    spans = [
        span
        for span in code_spans(page)
        if re.fullmatch(r"[\w./-]+(\.py|\.js|/)|(src|tests|docs)/[\w./-]+", span)
    ]
    places = (ROOT, ROOT / "src" / "tenuto", ROOT / "src", page.parent)
    assert [span for span in spans if not any((place / span).exists() for place in places)] == []


@BY_PAGE
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    named = re.findall(r"`make ([a-z-]+)", page.read_text()) + re.findall(
        r"^make ([a-z-]+)", page.read_text(), re.MULTILINE
    )
    assert [name for name in named if name not in targets] == []


def test_every_setting_of_the_server_is_in_the_table() -> None:
    page = text_of("docs/configuration.md")
    assert [row for row in serve_rows() if row not in page] == [], "see python -m tests.docs.settings"
    assert set(re.findall(r"`(TENUTO_[A-Z_]+)`", page)) == variables()
    assert len(serve_rows()) == len(Settings.__struct_fields__)


def test_the_limits_are_those_of_the_program() -> None:
    page = text_of("docs/limits.md")
    api, scripts, node = Limits(), ScriptLimits(), NodeSettings()
    rows = {
        "body of a request": f"{api.body_bytes >> 20} MiB",
        "nesting of a body": f"{api.json_depth} levels",
        "query parameters of a request": f"{query.MAX_FIELDS}",
        "`wait` of a start": f"{executions.LONGEST_WAIT:,} ms",
        "executions in memory at once": f"{node.max_live:,}",
        "signals of an execution that no step has taken": f"{people.MOST_SIGNALS:,}",
        "message of a failure by hand, comment of an approval": f"{steps.LONGEST_MESSAGE:,} characters",
        "bulk jobs under way": f"{bulk.MOST_RUNNING}",
        "bulk jobs remembered once over": f"{bulk.REMEMBERED}",
        "steps of a workflow": f"{definition.MAX_STEPS:,}",
        "any duration": f"ten years: {definition.TEN_YEARS_MS:,} ms",
        "scripts and templates of a definition together": f"{sources.MOST_SCRIPT:,} characters",
        "problems listed": f"{schema.MAX_PROBLEMS:,}",
        "items of a map": f"{definition.MAX_ITEMS:,}",
        "items of a map at once": f"`maxConcurrency`, {definition.DEFAULT_CONCURRENCY} if not given",
        "steps nested in steps": f"{definition.MAX_NESTING} levels",
        "`maxIterations` of a loop": f"1,000,000; {definition.DEFAULT_ITERATIONS:,} if not given",
        "tolerated failures of a map shown with their errors": f"{state.MOST_ERRORS:,}",
        "steps of items and rounds in a document": f"{view.MOST_NESTED:,}",
        "executions that start one another": f"{workflow_run.MAX_DEPTH} deep",
        "cached results held in memory": f"{result_cache.REMEMBERED_BYTES >> 20} MiB",
        "result of a step that stands in the journal itself": f"{large_results.INLINE_LIMIT >> 20} MiB",
        "result of a step, as JSON": f"{json_data.RESULT_LIMIT >> 20} MiB",
        "nesting of a result": f"{json_data.MAX_DEPTH} levels",
        "an attempt that names no `timeout`": f"{definition.DEFAULT_TIMEOUT_MS:,} ms",
        "attempts lost to crashes": f"{definition.INFRA_ATTEMPTS}",
        "redirects followed by a call": f"{call_params.MOST_REDIRECTS}",
        "time": f"{scripts.timeout_ms:,} ms, `--script-timeout`",
        "memory": f"{scripts.memory_bytes >> 20} MiB",
        "data that a script reads": f"{scripts.scope_bytes >> 20} MiB",
        "result": f"{scripts.result_bytes >> 20} MiB, {scripts.result_depth} levels",
        "one delivery": f"{delivery.TIMEOUT_MS:,} ms",
        "attempts": f"{outbox.MOST_ATTEMPTS}, over about 24 hours",
        "id of a schedule": f"{schedules.LONGEST_ID} characters",
        "cron lines of a schedule": f"{schedules.MOST_LINES}",
        "interval": f"from {schedules.SHORTEST_INTERVAL_MS:,} ms",
        "times that wait under `bufferAll`": f"{overlap.MOST_WAITING:,}",
        "times looked at after a downtime": f"{live.MOST_LOOKED_AT:,}",
        "times of a backfill": f"{backfills.MOST_TIMES:,}",
        "backfills of a schedule under way": f"{local.MOST_BACKFILLS}",
    }
    assert [name for name, value in rows.items() if f"| {name} | {value} |" not in page] == []
    assert f"{requests.MAX_KEY} printable" in page
    assert (
        f"leave memory after {node.idle // 1000} s, and at once while more than {node.crowd:,} are in memory"
        in page
    )


async def test_the_backup_of_a_running_store_has_everything(tmp_path: Path) -> None:
    (block,) = (block for block in blocks_of(ROOT / "docs" / "durability.md") if block.language == "python")
    scope: dict[str, object] = {}
    exec(compile(block.text, "docs/durability.md", "exec"), scope)
    back_up = scope["back_up"]
    assert callable(back_up)
    source, target = tmp_path / "tenuto.db", tmp_path / "backup.db"
    async with Engine(f"sqlite:///{source}") as engine:
        await engine.register_workflow({"id": "w", "steps": [{"id": "a"}]})
        before = await engine.execute("w")
        await asyncio.to_thread(back_up, str(source), str(target))
        await engine.execute("w")
    async with Engine(f"sqlite:///{target}") as restored:
        assert await restored.get(before["executionId"]) == before
        assert len(await restored.list()) == 1


def test_the_delays_shown_are_those_of_the_formula() -> None:
    policy = definition.RetryPolicy(max_attempts=5, initial_delay=1000, max_delay=30_000)
    shown = re.findall(r"^\| (\d) \| (\d) s after", text_of("docs/retries-and-failures.md"), re.MULTILINE)
    assert [(int(attempt), int(seconds) * 1000) for attempt, seconds in shown] == [
        (attempt, delay_before(policy, attempt)) for attempt in range(2, 6)
    ]
