"""Requests per second through the gateway, with a session, against bare HAProxy and npm's
configurable-http-proxy.

10,000 workspaces and as many sessions are in the maps. All run on this machine with one thread
each; the proxies take turns, so that whatever else the machine does meets each of them. Needs
HAProxy, wrk and npm; opens loopback ports only.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from ipaddress import ip_network
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bench"))

from report import record  # noqa: E402

from moorage.contract import ActualState  # noqa: E402
from moorage.contract import gateway as contract  # noqa: E402
from moorage.gateway import changes, persistence  # noqa: E402
from moorage.gateway.settings import GatewaySettings  # noqa: E402
from moorage.gateway.signing import Signer  # noqa: E402
from moorage.gateway.table import Table  # noqa: E402
from moorage.kernel.home import Home, write_private  # noqa: E402
from moorage.kernel.ids import new_secret  # noqa: E402

WORKSPACES = 10_000
ROUNDS = 8
SECONDS = 2
CONNECTIONS = 32
CHP = "configurable-http-proxy@5"
CACHE = ROOT / "build" / "bench"
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en",
}
UPSTREAM = """
global
  nbthread 1
defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
frontend upstream
  bind 127.0.0.1:{upstream}
  http-request return status 200 content-type text/plain string ok
"""
BARE = """
global
  nbthread 1
defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
frontend bare
  bind 127.0.0.1:{port}
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:{upstream}
"""


def main() -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mrgw-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream, bare, chp, port = free_port(), free_port(), free_port(), free_port(2)
        haproxy(stack, folder / "upstream.cfg", UPSTREAM.format(upstream=upstream))
        processes = {
            "bare": haproxy(stack, folder / "bare.cfg", BARE.format(port=bare, upstream=upstream))
        }
        host, cookie, processes["gateway"] = gateway(stack, Home(folder / "home"), port, upstream)
        processes["chp"] = configurable_http_proxy(stack, chp, upstream)
        plain = {"Host": f"{host}:{port}", "Cookie": f"moorage_session={cookie}", **HEADERS}
        ports = {"bare": bare, "gateway": port, "chp": chp}
        for name, where in ports.items():
            wait_until_it_answers(name, where, plain)
        rates: dict[str, list[float]] = {name: [] for name in ports}
        costs: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(ROUNDS):
            for name, where in ports.items():
                rate, cost = load(where, plain, processes[name])
                rates[name].append(rate)
                costs[name].append(cost)
    report(rates, costs)


def report(rates: dict[str, list[float]], costs: dict[str, list[float]]) -> None:
    middle = {name: statistics.median(values) for name, values in rates.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    of_bare = statistics.median(g / b for g, b in zip(rates["gateway"], rates["bare"], strict=True))
    of_chp = statistics.median(g / c for g, c in zip(rates["gateway"], rates["chp"], strict=True))
    for name, title in (
        ("bare", "bare HAProxy"),
        ("gateway", "gateway"),
        ("chp", "configurable-http-proxy"),
    ):
        print(
            f"{title}: {middle[name]:.0f} requests/s, {cost[name]:.1f} us of processor time per request"
        )
    record(
        "gateway_requests", round(middle["gateway"]), "requests/s", "(for comparison)", holds=True
    )
    of_cost = statistics.median(b / g for g, b in zip(costs["gateway"], costs["bare"], strict=True))
    record("gateway_cost_vs_haproxy", round(of_cost, 2), "ratio", "(for comparison)", holds=True)
    record("gateway_vs_haproxy", round(of_bare, 2), "ratio", "at least 0.85", holds=of_bare >= 0.85)
    record("gateway_vs_chp", round(of_chp, 2), "ratio", "at least 3", holds=of_chp >= 3)


def gateway(
    stack: contextlib.ExitStack, home: Home, port: int, upstream: int
) -> tuple[str, str, int]:
    """Starts HAProxy as Moorage does. Returns the host, the cookie, and the process that does the
    work."""
    home.make()
    key = new_secret()
    write_private(home.secret_file("gateway-key"), key)
    write_private(
        home.settings,
        f'[gateway]\nport = {port}\nthreads = 1\nworkspace_networks = ["127.0.0.0/8"]\n',
    )
    table = Table(networks=(ip_network("127.0.0.0/8"),))
    last = WORKSPACES - 1
    routes = tuple(
        contract.Route(
            workspace=name_of(i), owner=i, state=ActualState.RUNNING, address="127.0.0.1"
        )
        for i in range(WORKSPACES)
    )
    sessions = tuple(
        contract.Session(
            id=f"session-{i:012d}", user=i, user_name="", expires_at=time.time() + 3600
        )
        for i in range(WORKSPACES)
    )
    changes.replace(
        table,
        contract.RouteTable(revision=1, server_url="", routes=routes, sessions=sessions),
        time.time(),
    )
    persistence.save(home, table)
    master = start(
        stack, [sys.executable, "-m", "moorage.gateway.haproxy", "--home", str(home.path)]
    )
    host = f"{upstream}-{name_of(last)}.{GatewaySettings().zone}"
    return host, Signer(key.encode()).session_cookie(sessions[last].id, host), -master.pid


def name_of(index: int) -> str:
    return f"workspace-1-{index}-{index:06d}"


def haproxy(stack: contextlib.ExitStack, file: Path, text: str) -> int:
    file.write_text(text)
    return start(stack, ["haproxy", "-f", str(file)]).pid


def configurable_http_proxy(stack: contextlib.ExitStack, port: int, upstream: int) -> int:
    """From npm, kept in the build folder."""
    program = CACHE / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--prefix", CACHE, "--no-audit", "--no-fund", CHP], check=True
        )
    target = f"http://127.0.0.1:{upstream}"
    arguments = [
        "--ip",
        "127.0.0.1",
        "--port",
        port,
        "--api-ip",
        "127.0.0.1",
        "--api-port",
        free_port(),
    ]
    options = ["--default-target", target, "--log-level", "error"]
    return start(stack, ["node", str(program), *map(str, arguments), *options]).pid


def start(stack: contextlib.ExitStack, command: list[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}
    )
    stack.callback(end, process)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(10)


def load(port: int, headers: dict[str, str], process: int) -> tuple[float, float]:
    """Requests per second, and microseconds of the proxy's processor time per request."""
    pid = worker_of(-process) if process < 0 else process
    options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    before = processor_seconds(pid)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *options, f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Non-2xx" not in done, done
    requests = int(re.findall(r"(\d+) requests in", done)[0])
    rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", done)[0])
    return rate, 1e6 * (processor_seconds(pid) - before) / requests


def worker_of(master: int) -> int:
    """HAProxy's master has one child, which carries the traffic."""
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


def processor_seconds(pid: int) -> float:
    return (
        sum(
            int(task.read_text().split()[0])
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )
        / 1e9
    )


def wait_until_it_answers(name: str, port: int, headers: dict[str, str]) -> None:
    deadline = time.monotonic() + 30
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 1) as connection,
        ):
            connection.sendall(f"GET / HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
            if b" 200 " in connection.recv(4096).split(b"\r\n")[0]:
                return
        time.sleep(0.05)
    raise SystemExit(f"{name} does not answer on port {port}")


def free_port(neighbours: int = 1) -> int:
    for port in range(30000 + os.getpid() % 10000, 60000, 3):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for candidate in range(port, port + neighbours):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", candidate))
            if port not in _taken:
                _taken.update(range(port, port + neighbours))
                return port
    raise SystemExit("no free port")


_taken: set[int] = set()


if __name__ == "__main__":
    main()
