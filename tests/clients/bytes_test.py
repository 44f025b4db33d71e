"""What passes through nova arrives as it was: answers byte for byte, bodies by their digest."""
import hashlib
import json
import os
import socket
import threading

import pytest

from nova_fixture import Nova, RealLlama

CHAT = {"model": "fake-model", "messages": [{"role": "user", "content": "hi \u00e9\u4e2d"}]}


class Recorder:
    """Sits between nova and an engine on TCP and keeps every byte the engine sent."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.recorded = []  # one bytearray per connection
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.upstream))
            tape = bytearray()
            self.recorded.append(tape)
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, tape), daemon=True).start()

    @staticmethod
    def _pump(source, sink, tape):
        try:
            while block := source.recv(65536):
                if tape is not None:
                    tape += block
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def bodies(self):
        """The decoded bodies of all answers on all connections."""
        found = []
        for tape in self.recorded:
            rest = bytes(tape)
            while rest:
                body, rest = next_body(rest)
                found.append(body)
        return found

    def close(self):
        self.listener.close()


def next_body(data):
    """The body of the HTTP answer that starts the data, and what follows it."""
    head, _, rest = data.partition(b"\r\n\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in
              (line.partition(b":") for line in head.split(b"\r\n")[1:])}
    if fields.get(b"transfer-encoding", b"").lower() != b"chunked":
        size = int(fields.get(b"content-length", len(rest)))
        return rest[:size], rest[size:]
    body = b""
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        body += rest[:size]
        rest = rest[size + 2:]
        if size == 0:
            return body, rest


@pytest.mark.parametrize("path,stream", [("/v1/chat/completions", False),
                                         ("/v1/chat/completions", True),
                                         ("/v1/completions", True), ("/v1/embeddings", False)])
def test_bytes_of_the_fake_engine(fake, path, stream):
    nova, engine = fake
    engine.turn(tokens=200, chunk_bytes=64)
    asked = {**CHAT, "stream": stream, "prompt": "x", "input": "x"}
    status, headers, direct = engine.post(path, asked)
    through = nova.post(path, asked)
    assert (status, direct) == (through[0], through[2])
    assert headers["Content-Type"] == through[1]["Content-Type"]


@pytest.mark.parametrize("size", [0, 3, 100_000])
def test_chunk_sizes_do_not_matter(fake, size):
    nova, engine = fake
    engine.turn(tokens=20, chunk_bytes=size)
    asked = {**CHAT, "stream": True}
    assert engine.post("/v1/chat/completions", asked)[2] == nova.post(
        "/v1/chat/completions", asked)[2]


@pytest.mark.parametrize("stream", [False, True])
def test_bytes_of_real_llamacpp(tmp_path, stream):
    with RealLlama() as engine, Nova(tmp_path / "data") as nova:
        recorder = Recorder(engine.port)
        try:
            nova.start("custom", "--url", f"http://127.0.0.1:{recorder.port}/v1")
            asked = {"model": "smol", "stream": stream, "temperature": 0, "seed": 1,
                     "max_tokens": 32, "messages": [{"role": "user", "content": "Tell a story."}]}
            status, _, through = nova.post("/v1/chat/completions", asked)
            assert status == 200
            assert through in recorder.bodies()
            assert (b"[DONE]" in through) == stream
        finally:
            recorder.close()


def test_an_error_of_the_engine_keeps_its_status(fake):
    nova, engine = fake
    engine.turn(status=422)
    direct = engine.post("/v1/chat/completions", CHAT)
    through = nova.post("/v1/chat/completions", CHAT)
    engine.turn()
    assert through[0] == direct[0] == 422


def test_20_mb_arrive_whole(fake):
    nova, engine = fake
    engine.turn()
    filler = os.urandom(10 << 20).hex()
    body = json.dumps({**CHAT, "messages": [{"role": "user", "content": filler}]}).encode()
    assert len(body) > 20 << 20
    status, headers, _ = nova.post("/v1/chat/completions", body)
    assert status == 200
    last = json.loads(engine.get("/__fake/last")[2])
    assert last["size"] == len(body)
    assert last["sha256"] == hashlib.sha256(body).hexdigest()


def test_20_mb_in_chunks_arrive_whole(fake):
    nova, engine = fake
    engine.turn()
    filler = os.urandom(10 << 20).hex()
    body = json.dumps({**CHAT, "messages": [{"role": "user", "content": filler}]}).encode()
    pieces = iter([body[i:i + 50_000] for i in range(0, len(body), 50_000)])
    # Without a length http.client sends the pieces in chunked coding.
    status, _, _ = nova.post("/v1/chat/completions", pieces)
    assert status == 200
    last = json.loads(engine.get("/__fake/last")[2])
    assert last["sha256"] == hashlib.sha256(body).hexdigest()
