"""`python -m tests.graphs [--tasks 10000] [--recipe Montage …]`: scientific workflows of that size, one after the
other, on SQLite in a temporary folder, with the time each took."""

from __future__ import annotations

import argparse
import asyncio
import tempfile

from tests.graphs.scientific import RECIPES, generate, run


def main() -> None:
    """Run them and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.graphs")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--recipe", action="append", choices=RECIPES)
    chosen = parser.parse_args()
    print(f"{'recipe':12} {'tasks':>7} {'edges':>8} {'register':>10} {'execute':>10} {'per task':>10}")
    for recipe in chosen.recipe or RECIPES:
        graph = generate(recipe, chosen.tasks)
        with tempfile.TemporaryDirectory() as folder:
            took = asyncio.run(run(graph, f"sqlite:///{folder}/tenuto.db"))
        tasks = len(graph.parents)
        print(
            f"{recipe:12} {tasks:7} {graph.edges:8} {took.register_s:8.2f} s {took.run_s:8.2f} s"
            f" {took.run_s / tasks * 1e6:7.0f} µs",
            flush=True,
        )


if __name__ == "__main__":
    main()
