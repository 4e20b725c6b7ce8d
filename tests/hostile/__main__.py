"""`python -m tests.hostile`: every hostile script against a real server, one after the other, and what others felt of it.

Exits 1 if, three times, a script lasted longer than its limit and a second or /healthz took 50 ms or longer, and if a
harmless execution went wrong or none completed. The first line is the same load with nothing hostile in it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import aiohttp

from tests.hostile.scripts import HOSTILE, LIMIT_MS, Ended, Site
from tests.processes.server import Server

LONGEST_S = LIMIT_MS / 1000 + 1
WORST_HEALTH_MS = 50


async def campaign(url: str) -> list[str]:
    """Run all and print a line for each; what was wrong."""
    wrong: list[str] = []
    print(f"{'script':42} {'time':>7} {'/healthz':>9} {'benign':>7} {'scripted':>9}  ended as")
    async with aiohttp.ClientSession() as session:
        site = Site(session, url)
        await site.prepare()
        show(await site.attack("(nothing hostile)", None))
        for name, body in HOSTILE.items():
            ended = await best_of_three(site, name, body)
            wrong += complaints(ended)
            show(ended)
    return wrong + site.wrong


async def best_of_three(site: Site, name: str, body: str) -> Ended:
    """One that is over every limit is tried again: other work on the machine delays answers too."""
    for _ in range(2):
        ended = await site.attack(name, body)
        if not complaints(ended):
            return ended
    return await site.attack(name, body)


def show(ended: Ended) -> None:
    """A line of the table."""
    ways = " | ".join(dict.fromkeys(way[:40] for way in ended.ways))
    print(
        f"{ended.name:42} {ended.seconds:5.2f} s {ended.worst_health_ms:6.1f} ms {ended.benign:7}"
        f" {ended.scripted:9}  {ways}",
        flush=True,
    )


def complaints(ended: Ended) -> list[str]:
    """What is wrong with how a script ended."""
    found = []
    if ended.seconds > LONGEST_S:
        found.append(f"{ended.name} lasted {ended.seconds:.2f} s")
    if ended.worst_health_ms >= WORST_HEALTH_MS:
        found.append(f"during {ended.name} /healthz took {ended.worst_health_ms:.1f} ms")
    if not ended.benign or not ended.scripted:
        found.append(f"during {ended.name} nothing else completed")
    found += [f"{ended.name} ended well" for way in ended.ways if ":" not in way]
    return found


def main() -> int:
    """The exit code."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder), "--script-timeout", f"{LIMIT_MS}ms") as server,
    ):
        wrong = asyncio.run(campaign(server.url))
    for complaint in wrong:
        print(complaint)
    print(f"{len(HOSTILE)} scripts, {len(wrong)} complaints")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
