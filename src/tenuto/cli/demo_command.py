"""`tenuto demo` and `tenuto bench`: commands that bring their own server."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from tenuto.cli.exits import Exit


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave server and services running until Ctrl-C, to play.")
    ] = False,
    services: Annotated[
        bool,
        typer.Option("--services", help="Only the stand-in services, on port 4010, for examples/*.json."),
    ] = False,
) -> None:
    """See it work: example workflows against stand-in services, then kill -9 in the middle of one.

    Starts a server and the services on free ports of this machine, touches nothing else, ends all it started, and
    exits 0 only if everything it claims was seen to be so. Takes about 20 seconds.
    """
    if services:
        _serve_stand_ins()
        return
    from tempfile import TemporaryDirectory

    interrupts: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        """SIGTERM and a closed terminal end the demo as Ctrl-C does: with everything it started."""
        interrupts.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    with TemporaryDirectory(prefix="tenuto-demo-") as folder:
        try:
            holds = _told(Path(folder), keep)
        except Exception:
            if not interrupts:
                raise
            holds = False
    if interrupts and not (keep and holds):  # whatever it broke on the way
        raise KeyboardInterrupt
    if not holds:
        raise typer.Exit(Exit.FAILED)


def bench(context: typer.Context) -> None:
    """Measure this machine: executions a second, latency, memory (`tenuto bench --help`)."""
    from tenuto.cli.bench.command import bench as measure

    measuring = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    measuring.command()(measure)
    measuring(args=context.args, prog_name="tenuto bench")


def _told(folder: Path, keep: bool) -> bool:
    from tenuto.cli.demo.story import staged
    from tenuto.cli.options import Format
    from tenuto.cli.output import chosen, printer, remark

    console = printer(chosen(None))
    console.print("Tenuto demo", style="bold" if chosen(None) is Format.TABLE else None)
    with staged(console, folder) as story:
        holds = story.tell()
        if keep:
            remark(f"\n  Still running. Try: tenuto list --url {story.server_url}\n  Ctrl-C ends everything.")
            _await_interrupt()
    return holds


def _serve_stand_ins() -> None:
    import asyncio

    from tenuto.cli.demo.services import DEFAULT_PORT, serve
    from tenuto.errors import ConfigurationError

    try:
        asyncio.run(serve(DEFAULT_PORT))
    except OSError as error:
        raise ConfigurationError(
            f"The services need port {DEFAULT_PORT}, which is taken ({error.strerror})."
        ) from error


def _await_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
