"""Restate: its server, the service of `restate_service.py` served by granian or hypercorn out of Restate's own
environment, and the load over HTTP with the very client that Tenuto is measured with (so this program, unlike the
others, runs in Tenuto's environment). At start the server asks GitHub for its newest release; it has no switch for
that, and goes on without an answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.peers import servers
from benchmarks.peers.figures import CHAIN_STEPS, FAN_STEPS, LONG_CHAIN_STEPS, Figures, resident_mb
from benchmarks.peers.http_load import LoadedPaths, measure_over_http
from tenuto.cli.bench.client import Address, BenchFailed, exchange, request_bytes

SERVICE_MODULE = "benchmarks.peers.programs.restate_service:app"
BINARY = Path("node", "node_modules", "@restatedev", "restate-server-linux-x64", "bin", "restate-server")


def service_command(environment: Path, kind: str, port: int) -> list[str]:
    """The service on HTTP/2 without TLS, which Restate prefers, in one process."""
    if kind == "granian":
        return [
            str(environment / "bin" / "granian"),
            *("--interface", "asgi", "--http", "2", "--loop", "uvloop", "--no-ws", "--log-level", "error"),
            *("--host", "127.0.0.1", "--port", str(port), SERVICE_MODULE),
        ]
    return [str(environment / "bin" / "hypercorn"), "--bind", f"127.0.0.1:{port}", SERVICE_MODULE]


def server_environment(folder: Path, ingress: int, admin: int) -> dict[str, str]:
    """Everything on loopback, data in the folder, no telemetry."""
    return {
        "RESTATE_BASE_DIR": str(folder / "restate-data"),
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_PORT": str(servers.free_port()),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "error",
        "DO_NOT_TRACK": "1",
    }


async def register(admin: Address, service_port: int) -> None:
    """Tell Restate where the service is; its admin side opens a moment before it can answer."""
    body = json.dumps({"uri": f"http://127.0.0.1:{service_port}"}).encode()
    problem = ""
    for _ in range(100):
        try:
            reply = await exchange(admin, request_bytes("POST", "/deployments", admin, body))
        except BenchFailed as error:
            problem = str(error)
        else:
            if reply.status < 300:
                return
            problem = reply.body.decode(errors="replace")
        await asyncio.sleep(0.1)
    raise RuntimeError(f"Restate did not take the service: {problem}")


async def measure(ingress: Address, admin: Address, service_port: int, pids: tuple[int, int]) -> Figures:
    await register(admin, service_port)
    paths = LoadedPaths(
        chain=request_bytes("POST", "/bench/chain", ingress, str(CHAIN_STEPS).encode()),
        long_chain=request_bytes("POST", "/bench/chain", ingress, str(LONG_CHAIN_STEPS).encode()),
        fan=request_bytes("POST", "/bench/fan", ingress, str(FAN_STEPS).encode()),
        marker=b"completed",
    )
    return await measure_over_http(ingress, paths, lambda: (resident_mb(pids[0]), resident_mb(pids[1])))


def main() -> None:
    kind, environment = sys.argv[1], Path(sys.argv[2])
    ingress, admin, service_port = (servers.free_port() for _ in range(3))
    root = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory(prefix="bench-restate-") as name:
        folder = Path(name)
        env = server_environment(folder, ingress, admin)
        service = service_command(environment, kind, service_port)
        path = {"PYTHONPATH": str(root)}
        with (
            servers.server(
                [str(environment / BINARY), "--no-logo"], admin, folder / "server.log", env
            ) as engine,
            servers.server(service, service_port, folder / "service.log", path) as worker,
        ):
            servers.wait_for_port(ingress, engine)
            figures = uvloop.run(
                measure(
                    Address("127.0.0.1", ingress),
                    Address("127.0.0.1", admin),
                    service_port,
                    (engine.pid, worker.pid),
                )
            )
    figures.print()


if __name__ == "__main__":
    main()
