#!/usr/bin/env python3
"""Instructions and system calls of nova's gateway per request and per forwarded chunk.

Seconds differ from machine to machine and from run to run; instructions under callgrind hardly do,
so that a limit on them finds a slow change that no stopwatch sees. One client sends a fixed number
of requests over one connection, one after the other, through nova to the mock upstream; nova's user
space is counted between two marks. With --nginx the same is counted for nginx, with --syscalls the
system calls are (under strace, in a second run).

    bench/instructions.py --nova build/release/nova --fake-engine build/release/bin/fake_engine
"""
import argparse
import collections
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import overhead

CHUNKS = 100


def request_bytes(stream: bool) -> bytes:
    body = json.dumps(
        {"model": overhead.MODEL, "stream": stream,
         "messages": [{"role": "user", "content": "x" * 480}]}
    ).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\n"
        f"Host: {overhead.HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One keep-alive connection; every answer must be a 200 and complete."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((overhead.HOST, port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, stream: bool) -> None:
        self.socket.sendall(request_bytes(stream))
        received = b""
        while not self._complete(received):
            more = self.socket.recv(1 << 20)
            if not more:
                sys.exit("the connection was closed inside an answer")
            received += more
        if not received.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"not a 200: {received[:300]!r}")

    @staticmethod
    def _complete(received: bytes) -> bool:
        head, blank, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not blank:
            return False
        return len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")

    def close(self) -> None:
        self.socket.close()


class Callgrind:
    """Counts the instructions of a program that was started under callgrind."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.out = folder / "callgrind.out"
        self.prefix = ["valgrind", "--quiet", "--tool=callgrind",
                       f"--callgrind-out-file={self.out}"]

    def control(self, pid: int, what: str) -> None:
        subprocess.run(["callgrind_control", what, str(pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def begin(self, pid: int) -> None:
        self.control(pid, "--zero")

    def end(self, pid: int) -> int:
        before = set(self.out.parent.glob(f"{self.out.name}.*"))
        self.control(pid, "--dump")
        dumps = set(self.out.parent.glob(f"{self.out.name}.*")) - before
        return sum(int(re.search(r"(?m)^(?:totals|summary): (\d+)", dump.read_text())[1])
                   for dump in dumps)


def pieces_of(kind: str) -> int:
    return CHUNKS if kind == "chunk" else 1


def count_instructions(server: overhead.Server, port: int, callgrind: Callgrind,
                       options: argparse.Namespace) -> dict[str, float]:
    """Per unary request, and per chunk of a stream (its request and head included)."""
    results = {}
    for kind, stream, requests in (("unary", False, options.requests),
                                   ("chunk", True, options.streams)):
        client = Client(port)
        for _ in range(options.warm_up):
            client.ask(stream)
        callgrind.begin(server.process.pid)
        for _ in range(requests):
            client.ask(stream)
        results[kind] = callgrind.end(server.process.pid) / requests / pieces_of(kind)
        client.close()
    return results


def count_calls(server: overhead.Server, port: int, folder: pathlib.Path,
                options: argparse.Namespace) -> dict[str, dict[str, float]]:
    results = {}
    for kind, stream, requests in (("unary", False, options.requests),
                                   ("chunk", True, options.streams)):
        client = Client(port)
        for _ in range(options.warm_up):
            client.ask(stream)
        table = folder / "strace.txt"
        table.unlink(missing_ok=True)
        tracer = subprocess.Popen(["strace", "-f", "-o", str(table), "-p",
                                   str(server.process.pid)], stderr=subprocess.PIPE, text=True)
        while "attached" not in tracer.stderr.readline():
            pass
        time.sleep(0.2)   # the other threads are attached after the first
        for _ in range(requests):
            client.ask(stream)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
        results[kind] = calls_in(table.read_text(), requests * pieces_of(kind))
        client.close()
    return results


def calls_in(trace: str, pieces: int) -> dict[str, float]:
    counts: collections.Counter = collections.Counter()
    for line in trace.splitlines():
        call = re.match(r"\d+ +(\w+)\(", line)
        if call:
            again = " in vain" if "EAGAIN" in line else ""
            counts[call[1] + again] += 1
    return {name: count / pieces for name, count in counts.most_common() if count / pieces > 0.01}


def without_debug(program: str, folder: pathlib.Path) -> str:
    """A copy with its symbols alone: old valgrinds give up at the DWARF 5 of new compilers."""
    tool = shutil.which("objcopy") or shutil.which("llvm-objcopy-19") or "llvm-objcopy"
    copy = folder / pathlib.Path(program).name
    subprocess.run([tool, "--strip-debug", program, str(copy)], check=True)
    return str(copy)


def start(which: str, prefix: list[str], folder: pathlib.Path, port: int, mock: int,
          options: argparse.Namespace) -> overhead.Server:
    if which == "nginx":
        return overhead.start_nginx(folder, port, mock, 0, prefix)
    data = folder / "data"
    nova = without_debug(options.nova, folder)
    return overhead.start_nova(nova, data, port, mock, 1, prefix)


def measure(which: str, mock: int, options: argparse.Namespace) -> dict:
    results: dict = {}
    for what in ("instructions", "calls") if options.syscalls else ("instructions",):
        with tempfile.TemporaryDirectory(prefix="nova-instructions-") as name:
            folder = pathlib.Path(name)
            callgrind = Callgrind(pathlib.Path(options.keep or folder / "callgrind") / which)
            port = overhead.free_port()
            server = start(which, callgrind.prefix if what == "instructions" else [], folder, port,
                           mock, options)
            try:
                overhead.wait_until_answers(f"http://{overhead.HOST}:{port}/v1/models", 60)
                if what == "instructions":
                    results[what] = count_instructions(server, port, callgrind, options)
                else:
                    results[what] = count_calls(server, port, folder, options)
            finally:
                server.end()
    return results


def show(which: str, results: dict) -> None:
    for kind, count in results["instructions"].items():
        print(f"{which:5} {kind}: {count:9.0f} instructions", flush=True)
    for kind, calls in results.get("calls", {}).items():
        listed = ", ".join(f"{name} {count:.2f}" for name, count in calls.items())
        print(f"{which:5} {kind}: {sum(calls.values()):6.2f} system calls: {listed}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nova", default="build/release/nova")
    parser.add_argument("--fake-engine", default="build/release/bin/fake_engine")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--chunk-us", type=int, default=3000,
                        help="between two chunks, so that each is read alone; 0: as they come")
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--nginx", action="store_true", help="count nginx too")
    parser.add_argument("--syscalls", action="store_true", help="count system calls too")
    parser.add_argument("--keep", help="leave callgrind's files in this folder, for annotation")
    parser.add_argument("--unary-at-most", type=int, help="fail when a request takes more")
    parser.add_argument("--chunk-at-most", type=int, help="fail when a chunk takes more")
    options = parser.parse_args()
    port = overhead.free_port()
    mock = overhead.Server(
        [options.fake_engine, "--bench", "--bench-chunk-us", str(options.chunk_us),
         "--surface", "vllm", "--host", overhead.HOST, "--port", str(port),
         "-m", overhead.MODEL, "--alias", overhead.MODEL],
        stdout=subprocess.DEVNULL,
    )
    try:
        overhead.wait_until_answers(f"http://{overhead.HOST}:{port}/v1/models")
        results = measure("nova", port, options)
        show("nova", results)
        if options.nginx:
            show("nginx", measure("nginx", port, options))
    finally:
        mock.end()
    limits = {"unary": options.unary_at_most, "chunk": options.chunk_at_most}
    over = [kind for kind, limit in limits.items()
            if limit is not None and results["instructions"][kind] > limit]
    for kind in over:
        print(f"{kind}: above the limit of {limits[kind]} instructions")
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
