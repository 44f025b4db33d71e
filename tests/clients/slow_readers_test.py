"""A hundred readers of 1 KB/s before a flooding engine: nova holds little and serves on."""
import json
import pathlib
import socket
import threading
import time

from nova_fixture import LONG, FakeEngine, Nova, timed, until

READERS = 100
BYTES_PER_S = 1024
SECONDS = 60 if LONG else 20
KIB, MIB = 1024, 1024 * 1024
# What nova may hold of one stream: the connection's read buffer and an event not yet complete.
STREAM_CAP = 16 * KIB + 16 * KIB
SLACK = 4 * MIB
CHAT_P99_S = 1.0


def resident(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * KIB


def open_reader(port, number):
    """A stream whose head is read; every other one with a small window, so that nova feels it."""
    body = json.dumps({"model": "fake-model", "stream": True,
                       "messages": [{"role": "user", "content": "hi"}]}).encode()
    sock = socket.socket()
    if number % 2 == 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert sock.recv(BYTES_PER_S).startswith(b"HTTP/1.1 200")
    sock.setblocking(False)
    return sock


def read_a_little(sock):
    """Bytes read, at most one second's worth; fails when nova ended the stream."""
    try:
        block = sock.recv(BYTES_PER_S)
    except BlockingIOError:
        return 0
    assert block, "nova ended a stream that its engine still floods"
    return len(block)


class Chats:
    """Ordinary chats, one after the other, for as long as the readers read."""

    def __init__(self, nova):
        self.nova = nova
        self.times = []
        self.statuses = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.body = {"model": "fake-model", "messages": [{"role": "user", "content": "hi"}]}

    def _run(self):
        while not self.over.wait(0.05):
            answer, seconds = timed(lambda: self.nova.post("/v1/chat/completions", self.body,
                                                           timeout=30)[0])
            self.statuses.add(answer)
            self.times.append(seconds)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_slow_readers(tmp_path):
    with FakeEngine("--alias", "fake-model") as engine, Nova(tmp_path / "data") as nova:
        nova.start("custom", "--url", engine.url)
        for _ in range(20):  # pools and caches fill before the baseline is taken
            assert nova.chat() == 200
        pid = nova.process.pid
        before, descriptors, upstreams = (resident(pid), nova.descriptors(),
                                          engine.stats()["connections_open"])
        engine.turn(flood=True)
        readers = [open_reader(nova.gateway, number) for number in range(READERS)]
        engine.turn()  # the streams that run flood on; chats that come are ordinary
        read = [0] * READERS
        most = before
        with Chats(nova) as chats:
            end = time.monotonic() + SECONDS
            while (left := end - time.monotonic()) > 0:
                for number, sock in enumerate(readers):
                    read[number] += read_a_little(sock)
                most = max(most, resident(pid))
                time.sleep(min(1.0, left))
        assert nova.inflight()["active_relays"] >= READERS, "nova cut readers that read"
        for sock in readers:
            sock.close()
        growth, limit = most - before, READERS * STREAM_CAP + SLACK
        p99 = sorted(chats.times)[int(len(chats.times) * 0.99)]
        print(f"{READERS} readers of {BYTES_PER_S} B/s for {SECONDS} s: "
              f"RSS {before / MIB:.1f} MiB, growth {growth / MIB:.2f} of {limit / MIB:.2f} MiB "
              f"(cap {STREAM_CAP // KIB} KiB a stream + {SLACK // MIB} MiB); "
              f"{len(chats.times)} chats meanwhile, p99 {p99 * 1000:.1f} ms")
        assert growth <= limit
        assert min(read) >= BYTES_PER_S * SECONDS // 2, "a reader starved"
        assert chats.statuses == {200} and p99 <= CHAT_P99_S
        until(lambda: nova.inflight()["local_inflight"] == 0, 5, "leases at their baseline")
        assert nova.inflight()["active_relays"] == 0
        until(lambda: engine.stats()["connections_open"] <= upstreams + 1, 10,
              "upstream connections at their baseline")
        until(lambda: nova.descriptors() <= descriptors, 15, "descriptors at their baseline")
