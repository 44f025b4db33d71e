#!/usr/bin/env python3
"""CPU per request of nova's gateway beside nginx, in one run on the same mock upstream.

Measures CPU seconds (user + system, of all threads, from /proc) per unary request (600 B answer)
and per stream of 100 chunks, in alternating runs, and prints every ratio. Ratios of one run only:
seconds of different machines or days are not compared.

nova runs several times: `plain` without ledger and access log, as nginx is without its log; `full`
with API keys and the usage ledger (usage tap and metrics are always on); `log` like full, with a
line for every request too. Besides, `translated`: an OpenAI client of a nova whose engine speaks
Ollama's API, beside an nginx that only passes bytes on.

    bench/overhead.py --nova build/release/nova --fake-engine build/release/bin/fake_engine
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing
import urllib.request

HOST = "127.0.0.1"
MODEL = "bench"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def wait_until_answers(url: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if time.monotonic() > end:
                sys.exit(f"{url} did not answer within {seconds} s")
            time.sleep(0.05)


def tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found


def cpu_of(pid: int) -> float:
    """Of all threads of a process; nothing when it has gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(root: int) -> float:
    return sum(cpu_of(pid) for pid in tree(root))


class Server:
    """A process that is started, asked for its CPU time, and ended."""

    def __init__(self, argv: list[str], **options) -> None:
        self.process = subprocess.Popen(argv, **options)

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_nginx(
    folder: pathlib.Path, port: int, upstream: int, workers: int, prefix: list[str] | None = None
) -> Server:
    """workers = 0: one process alone, without a master. prefix: a program that runs it."""
    configuration = folder / "nginx.conf"
    processes = f"worker_processes {workers}" if workers else "master_process off"
    configuration.write_text(
        f"""
{processes};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    upstream mock {{ server {HOST}:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen {HOST}:{port} reuseport;
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""
    )
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    return Server([*(prefix or []), nginx, "-c", str(configuration)])


PLAIN = {"NOVA_GATEWAY_ACCESS_LOG": "off", "NOVA_USAGE_KEEP_DAYS": "0"}
FULL = {"NOVA_GATEWAY_ACCESS_LOG": "off"}
LOG = {"NOVA_GATEWAY_ACCESS_LOG": "all"}


class Nova(Server):
    """Ends the engine that it has started too."""

    def __init__(self, argv: list[str], nova: str, folder: pathlib.Path, **options) -> None:
        super().__init__(argv, **options)
        self.stop = [nova, "stop", "--wait", "--data-dir", str(folder)]

    def end(self) -> None:
        subprocess.run(self.stop, timeout=60, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        super().end()


def serve_nova(
    nova: str, folder: pathlib.Path, port: int, workers: int, settings: dict[str, str],
    prefix: list[str] | None = None, path: str = "",
) -> Server:
    """Without a backend. path: a folder in front of PATH, where an engine is."""
    control = free_port()
    # No engines but those of the path, wherever others are installed.
    environment = {**os.environ, **settings, "PATH": f"{path}:{os.environ['PATH']}",
                   "HOME": str(folder.parent), "XDG_CACHE_HOME": str(folder.parent)}
    folder.mkdir(mode=0o700)
    server = Nova(
        [*(prefix or []), nova, "serve", "--data-dir", str(folder),
         "--gateway-listen", f"{HOST}:{port}", "--control-listen", f"{HOST}:{control}",
         "--workers", str(workers)],
        nova, folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=open(f"{folder}.log", "w"), env=environment,
    )
    wait_until_answers(f"http://{HOST}:{port}/health/live", 60)
    return server


def start_nova(
    nova: str, folder: pathlib.Path, port: int, upstream: int, workers: int,
    prefix: list[str] | None = None, settings: dict[str, str] | None = None,
) -> Server:
    settings = PLAIN if settings is None else settings
    server = serve_nova(nova, folder, port, workers, settings, prefix)
    subprocess.run(
        [nova, "start", "custom", "--url", f"http://{HOST}:{upstream}/v1", "--model", MODEL,
         "--wait", "--data-dir", str(folder)],
        check=True, stdout=subprocess.DEVNULL,
    )
    return server


def start_nova_with_ollama(
    options: argparse.Namespace, folder: pathlib.Path, port: int
) -> tuple[Server, int]:
    """nova, and the port of the engine that it has started."""
    programs = folder / "programs"
    programs.mkdir()
    engine, at = programs / "ollama", programs / "port"
    engine.write_text(
        f'#!/bin/sh\necho "${{OLLAMA_HOST##*:}}" >{at}\n'
        f'exec {pathlib.Path(options.fake_engine).resolve()} --surface ollama --bench "$@"\n'
    )
    engine.chmod(0o755)
    data = folder / "translated"
    server = serve_nova(
        options.nova, data, port, options.workers, PLAIN, path=str(programs)
    )
    subprocess.run(
        [options.nova, "start", "ollama", "--model", MODEL, "--wait", "--data-dir", str(data)],
        check=True, stdout=subprocess.DEVNULL,
    )
    return server, int(at.read_text())


def new_key(nova: str, folder: pathlib.Path) -> str:
    made = subprocess.run(
        [nova, "keys", "create", "bench", "--json", "--data-dir", str(folder)],
        check=True, capture_output=True, text=True,
    )
    return json.loads(made.stdout)["key"]


def ledger_rows(port: int, key: str) -> dict[str, int]:
    """What became of the rows: written and dropped so far."""
    asked = urllib.request.Request(
        f"http://{HOST}:{port}/metrics", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        text = answer.read().decode()
    figures = {"written": "nova_ledger_rows_total", "dropped": "nova_ledger_rows_dropped_total"}
    return {what: int(float(re.search(rf"(?m)^{name} (\S+)", text)[1]))
            for what, name in figures.items()}


def load(
    folder: pathlib.Path, port: int, stream: bool, seconds: int, clients: int, key: str = ""
) -> int:
    """Requests completed; every answer must be a 200."""
    body = json.dumps(
        {"model": MODEL, "stream": stream,
         "messages": [{"role": "user", "content": "x" * 480}]}
    )
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        + (f'wrk.headers["Authorization"] = "Bearer {key}"\n' if key else "")
        + f"wrk.body = [==[{body}]==]\n"
    )
    done = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(script),
         f"http://{HOST}:{port}/v1/chat/completions"],
        capture_output=True, text=True,
    )
    if done.returncode != 0:
        sys.exit(f"wrk failed: {done.stderr or done.stdout}")
    result = done.stdout
    if "Non-2xx" in result or "Socket errors" in result:
        sys.exit(f"the load saw failures:\n{result}")
    return int(re.search(r"(\d+) requests in", result).group(1))


class Side(typing.NamedTuple):
    """Somebody who is measured."""

    name: str
    server: Server
    port: int
    key: str = ""

    def cpu(self) -> float:
        # nginx is a tree of processes; of nova's the engine it started is not measured.
        server = self.server
        return server.cpu() if self.name == "nginx" else cpu_of(server.process.pid)


def alternate(
    options: argparse.Namespace, folder: pathlib.Path, sides: list[Side]
) -> dict[str, list[dict[str, float]]]:
    """Microseconds per request or stream of each side, run by run."""
    results: dict[str, list[dict[str, float]]] = {"unary": [], "stream": []}
    for kind, runs in results.items():
        stream = kind == "stream"
        for side in sides:
            load(folder, side.port, stream, 1, options.clients, side.key)   # warm pools and caches
        for run in range(options.runs):
            times = {}
            for side in sides if run % 2 == 0 else reversed(sides):
                before = side.cpu()
                requests = load(
                    folder, side.port, stream, options.seconds, options.clients, side.key
                )
                times[side.name] = (side.cpu() - before) / requests * 1e6
            runs.append({side.name: times[side.name] for side in sides})
            print(f"{kind:6} run {run + 1}: "
                  + ", ".join(f"{name} {time:.2f} us" for name, time in runs[-1].items()),
                  flush=True)
    return results


def start_mock(options: argparse.Namespace, port: int) -> Server:
    mock = Server([options.fake_engine, "--bench", "--surface", "vllm", "--host", HOST,
                   "--port", str(port), "-m", MODEL, "--alias", MODEL],
                  stdout=subprocess.DEVNULL)
    wait_until_answers(f"http://{HOST}:{port}/v1/models")
    return mock


def measure(options: argparse.Namespace, folder: pathlib.Path, servers: list[Server]) -> dict:
    """The relay: nginx, and nova in the variants that were asked for."""
    mock_port, nginx_port = free_port(), free_port()
    servers.append(start_mock(options, mock_port))
    nginx = start_nginx(folder, nginx_port, mock_port, options.workers)
    servers.append(nginx)
    sides = [Side("nginx", nginx, nginx_port)]
    for name, settings in (("plain", PLAIN), ("full", FULL), ("log", LOG)):
        if name not in options.variants:
            continue
        port, data = free_port(), folder / name
        nova = start_nova(
            options.nova, data, port, mock_port, options.workers, settings=settings
        )
        servers.append(nova)
        key = "" if name == "plain" else new_key(options.nova, data)
        sides.append(Side(name, nova, port, key))
    results = alternate(options, folder, sides)
    for side in sides:
        if side.key:
            print(f"{side.name}: rows of the ledger {ledger_rows(side.port, side.key)}")
    return results


def measure_translation(
    options: argparse.Namespace, folder: pathlib.Path, servers: list[Server]
) -> dict:
    nginx_port, nova_port = free_port(), free_port()
    nova, engine_port = start_nova_with_ollama(options, folder, nova_port)
    servers.append(nova)
    below = folder / "beside"
    below.mkdir()
    nginx = start_nginx(below, nginx_port, engine_port, options.workers)
    servers.append(nginx)
    wait_until_answers(f"http://{HOST}:{nginx_port}/api/tags")
    return alternate(
        options, folder, [Side("nginx", nginx, nginx_port), Side("translated", nova, nova_port)]
    )


def summed_up(
    results: dict[str, list[dict[str, float]]], pairs: list[tuple[str, str, float | None]]
) -> bool:
    """Prints the ratios of pairs of sides; false when a median is above its limit."""
    good = True
    for kind, runs in results.items():
        for one, other, limit in pairs:
            if one not in runs[0]:
                continue
            ratios = sorted(run[one] / run[other] for run in runs)
            median = statistics.median(ratios)
            print(f"{kind}: {one} / {other} median {median:.3f}, "
                  f"all {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
            good = good and (limit is None or median <= limit)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nova", default="build/release/nova")
    parser.add_argument("--fake-engine", default="build/release/bin/fake_engine")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--variants", default="plain,full,log,translated",
                        type=lambda text: text.split(","))
    parser.add_argument("--at-most", type=float, help="fail when plain / nginx is above")
    parser.add_argument("--full-at-most", type=float, help="fail when full / plain is above")
    options = parser.parse_args()
    servers: list[Server] = []
    good = True
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        try:
            if set(options.variants) - {"translated"}:
                results = measure(options, pathlib.Path(folder), servers)
                good = summed_up(results, [
                    ("plain", "nginx", options.at_most), ("full", "plain", options.full_at_most),
                    ("log", "plain", None), ("full", "nginx", None),
                ])
            if "translated" in options.variants:
                results = measure_translation(options, pathlib.Path(folder), servers)
                summed_up(results, [("translated", "nginx", None)])
        finally:
            for server in reversed(servers):
                server.end()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
