#!/usr/bin/env python3
"""CPU per request of nova's gateway beside nginx, in one run on the same mock upstream.

Measures CPU seconds of the whole process tree (user + system, from /proc) per unary request (600 B
answer) and per stream of 100 chunks, in alternating runs, and prints every ratio nova / nginx.
Ratios of one run only: seconds of different machines or days are not compared.

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


def cpu_seconds(root: int) -> float:
    ticks = 0
    for pid in tree(root):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


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


def start_nova(
    nova: str, folder: pathlib.Path, port: int, upstream: int, workers: int,
    prefix: list[str] | None = None,
) -> Server:
    control = free_port()
    server = Server(
        [*(prefix or []), nova, "serve", "--data-dir", str(folder),
         "--gateway-listen", f"{HOST}:{port}", "--control-listen", f"{HOST}:{control}",
         "--workers", str(workers)],
        stderr=open(folder.parent / "nova.log", "w"),
    )
    wait_until_answers(f"http://{HOST}:{port}/health/live", 60)
    subprocess.run(
        [nova, "start", "custom", "--url", f"http://{HOST}:{upstream}/v1", "--model", MODEL,
         "--wait", "--data-dir", str(folder)],
        check=True, stdout=subprocess.DEVNULL,
    )
    return server


def load(folder: pathlib.Path, port: int, stream: bool, seconds: int, clients: int) -> int:
    """Requests completed; every answer must be a 200."""
    body = json.dumps(
        {"model": MODEL, "stream": stream,
         "messages": [{"role": "user", "content": "x" * 480}]}
    )
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{body}]==]\n"
    )
    result = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(script),
         f"http://{HOST}:{port}/v1/chat/completions"],
        check=True, capture_output=True, text=True,
    ).stdout
    if "Non-2xx" in result or "Socket errors" in result:
        sys.exit(f"the load saw failures:\n{result}")
    return int(re.search(r"(\d+) requests in", result).group(1))


def measure(options: argparse.Namespace, folder: pathlib.Path) -> dict:
    mock_port, nginx_port, nova_port = free_port(), free_port(), free_port()
    servers = []
    results: dict = {"unary": [], "stream": []}
    try:
        mock = Server([options.fake_engine, "--bench", "--surface", "vllm", "--host", HOST,
                       "--port", str(mock_port), "-m", MODEL, "--alias", MODEL],
                      stdout=subprocess.DEVNULL)
        servers.append(mock)
        wait_until_answers(f"http://{HOST}:{mock_port}/v1/models")
        nginx = start_nginx(folder, nginx_port, mock_port, options.workers)
        servers.append(nginx)
        data = folder / "data"
        data.mkdir(mode=0o700)
        nova = start_nova(options.nova, data, nova_port, mock_port, options.workers)
        servers.append(nova)
        for kind in results:
            stream = kind == "stream"
            for port in (nginx_port, nova_port):
                load(folder, port, stream, 1, options.clients)   # warm pools and caches
            for run in range(options.runs):
                pair = {}
                order = [("nginx", nginx, nginx_port), ("nova", nova, nova_port)]
                for name, server, port in order if run % 2 == 0 else reversed(order):
                    before = server.cpu()
                    requests = load(folder, port, stream, options.seconds, options.clients)
                    pair[name] = (server.cpu() - before) / requests * 1e6
                pair["ratio"] = pair["nova"] / pair["nginx"]
                results[kind].append(pair)
                print(f"{kind:7} run {run + 1}: nginx {pair['nginx']:7.2f} us, "
                      f"nova {pair['nova']:7.2f} us, ratio {pair['ratio']:.3f}", flush=True)
    finally:
        for server in reversed(servers):
            server.end()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nova", default="build/release/nova")
    parser.add_argument("--fake-engine", default="build/release/bin/fake_engine")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--at-most", type=float, help="fail when a median ratio is above")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        results = measure(options, pathlib.Path(folder))
    failed = False
    for kind, runs in results.items():
        ratios = [run["ratio"] for run in runs]
        median = statistics.median(ratios)
        print(f"{kind}: median ratio {median:.3f}, "
              f"all {', '.join(f'{ratio:.3f}' for ratio in sorted(ratios))}")
        failed = failed or (options.at_most is not None and median > options.at_most)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
