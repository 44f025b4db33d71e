"""The fake engine keeps its promises: what other tests rely on when they order a fault."""
import hashlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

from fake_engine import FakeEngine, binary, until

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**CHAT, "stream": True}


def events(body):
    """The data of each event of an SSE body."""
    return [block[len("data: "):] for block in body.decode().split("\n\n") if block]


def open_stream(engine, body=None, path="/v1/chat/completions"):
    """A raw socket with the request sent; the caller reads and closes."""
    raw = json.dumps(body or STREAM).encode()
    sock = socket.create_connection(("127.0.0.1", engine.port), timeout=10)
    sock.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                 % (path.encode(), len(raw)) + raw)
    return sock


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_answers_a_chat_with_usage():
    with FakeEngine("--alias", "m", tokens=4) as engine:
        status, headers, body = engine.post("/v1/chat/completions", CHAT)
        answer = json.loads(body)
        assert status == 200
        assert answer["choices"][0]["message"]["content"] == "t0 t1 t2 t3 "
        assert answer["usage"]["completion_tokens"] == 4
        assert headers["X-Body-Sha256"] == hashlib.sha256(json.dumps(CHAT).encode()).hexdigest()


def test_two_answers_have_the_same_bytes():
    with FakeEngine() as engine:
        first = engine.post("/v1/chat/completions", STREAM)[2]
        assert first == engine.post("/v1/chat/completions", STREAM)[2]


@pytest.mark.parametrize("include_usage", [False, True])
def test_streams_events_and_done(include_usage):
    with FakeEngine(tokens=3) as engine:
        asked = {**STREAM, "stream_options": {"include_usage": include_usage}}
        got = events(engine.post("/v1/chat/completions", asked)[2])
        assert got[-1] == "[DONE]"
        parsed = [json.loads(e) for e in got[:-1]]
        deltas = [e["choices"][0]["delta"] for e in parsed if e["choices"]]
        text = "".join(delta.get("content") or "" for delta in deltas)
        assert text == "t0 t1 t2 "
        assert any("usage" in e for e in parsed) == include_usage


def test_max_tokens_ends_with_length():
    with FakeEngine() as engine:
        answer = json.loads(engine.post("/v1/chat/completions", {**CHAT, "max_tokens": 2})[2])
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["completion_tokens"] == 2


def test_calls_the_tool_it_is_given():
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    with FakeEngine() as engine:
        answer = json.loads(engine.post("/v1/chat/completions", {**CHAT, "tools": [tool]})[2])
        call = answer["choices"][0]["message"]["tool_calls"][0]["function"]
        assert call == {"name": "weather", "arguments": "{}"}


def test_llamacpp_listens_while_it_loads():
    with FakeEngine(load_bytes=2_000_000, stall_at_percent=50) as engine:
        status, _, body = engine.get("/health")
        assert (status, json.loads(body)["error"]["message"]) == (503, "Loading model")
        assert engine.get("/v1/models")[0] == 503
        until(lambda: "load_tensors: 50 %" in engine.log(), what="half of the load")
        engine.turn(load_bytes=2_000_000)
        until(lambda: engine.get("/health")[0] == 200, what="health 200")
        assert "model loaded" in engine.log()
        assert engine.get("/slots")[0] == 200


def test_vllm_listens_only_when_loaded():
    began = time.monotonic()
    with FakeEngine("--surface", "vllm", "--load-bytes", 1_000_000, load_mb_per_s=4) as engine:
        assert time.monotonic() - began >= 0.2
        assert engine.get("/health")[::2] == (200, b"")


def test_start_delay_holds_the_port_back():
    began = time.monotonic()
    with FakeEngine(start_delay_ms=300):
        assert time.monotonic() - began >= 0.3


def test_never_listens_until_told():
    with FakeEngine(listens=False, never_listen=True) as engine:
        os.set_blocking(engine.process.stdout.fileno(), False)
        time.sleep(0.2)
        assert engine.process.stdout.read() is None
        engine.turn()
        os.set_blocking(engine.process.stdout.fileno(), True)
        assert int(engine.process.stdout.readline()) > 0


def test_refuses_a_flag_in_the_engines_words():
    with FakeEngine("--warp-drive", "9", listens=False, refuse_flag="--warp-drive") as engine:
        assert engine.exit_code() == 1
        assert "error: invalid argument: --warp-drive" in engine.log()


def test_ends_at_start_with_code_and_text():
    with FakeEngine(listens=False, start_exit_code=7, log_text="CUDA out of memory") as engine:
        assert engine.exit_code() == 7
        assert "CUDA out of memory" in engine.log()


def test_a_missing_model_ends_it_like_llamacpp():
    with FakeEngine("-m", "/does/not/exist.gguf", listens=False) as engine:
        assert engine.exit_code() == 1
        assert "failed to open GGUF file" in engine.log()


@pytest.mark.parametrize("code,seen", [(3, 3), (128 + 9, -9), (128 + 11, -11)])
def test_crashes_after_tokens(code, seen):
    with FakeEngine(crash_after_tokens=5, exit_code=code) as engine:
        with pytest.raises((http.client.HTTPException, OSError)):
            engine.post("/v1/chat/completions", STREAM)
        assert engine.exit_code() == seen


def test_crashes_after_requests():
    with FakeEngine(crash_after_requests=2) as engine:
        assert engine.post("/v1/chat/completions", CHAT)[0] == 200
        assert engine.process.poll() is None
        assert engine.post("/v1/chat/completions", CHAT)[0] == 200
        assert engine.exit_code() == 1


def test_crashes_when_told():
    with FakeEngine() as engine:
        engine.turn(crash_now=True, exit_code=5)
        assert engine.exit_code() == 5


def test_sigterm_ends_it_and_can_be_ignored():
    with FakeEngine(ignore_sigterm=True) as engine:
        engine.terminate()
        until(lambda: "ignoring SIGTERM" in engine.log(), what="the log line")
        assert engine.process.poll() is None
        engine.turn()
        assert engine.get("/health")[0] == 200
        engine.terminate()
        assert engine.exit_code() == 0


def test_leaves_an_orphan_that_keeps_its_marker():
    marker = f"test/{os.getpid()}"
    with FakeEngine(orphan="session", env={"NOVA_INSTANCE": marker}) as engine:
        assert engine.stats()["instance"] == marker
        engine.terminate()
        engine.exit_code()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    if f"NOVA_INSTANCE={marker}".encode() in environment.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                continue
        assert len(found) == 1
        os.kill(found[0], signal.SIGTERM)


def test_health_hangs_while_chat_answers():
    with FakeEngine(health_hang=True) as engine:
        with pytest.raises(TimeoutError):
            engine.get("/health", timeout=0.3)
        assert engine.post("/v1/chat/completions", CHAT)[0] == 200
        assert engine.get("/metrics")[2] == b"llamacpp:tokens_predicted_total 16\n"
        engine.turn(no_metrics=True)
        assert engine.get("/metrics")[0] == 404
        assert engine.get("/health")[0] == 200


def test_everything_hangs_with_the_port_open():
    with FakeEngine(hang=True) as engine:
        with pytest.raises(TimeoutError):
            engine.post("/v1/chat/completions", CHAT, timeout=0.3)
        assert engine.stats()["requests_total"] == 1


def test_health_status():
    with FakeEngine(health_status=500) as engine:
        assert engine.get("/health")[0] == 500


@pytest.mark.parametrize("stream", [True, False])
def test_notices_a_client_that_leaves(stream):
    with FakeEngine(tokens=1000, tokens_per_s=100) as engine:
        sock = open_stream(engine, {**CHAT, "stream": stream})
        until(lambda: engine.stats()["active_generations"] == 1, what="a generation")
        sock.close()
        until(lambda: engine.stats()["active_generations"] == 0, 1, "the generation's end")
        stats = engine.stats()
        assert stats["disconnects_seen"] == 1
        assert stats["tokens_after_disconnect"] == 0
        until(lambda: engine.stats()["connections_open"] == 0, what="the closed connection")


def test_counts_what_it_generates_for_nobody():
    with FakeEngine(tokens=50, tokens_per_s=200, ignore_disconnect=True) as engine:
        sock = open_stream(engine)
        until(lambda: engine.stats()["tokens_total"] > 2, what="tokens")
        reset(sock)
        until(lambda: engine.stats()["active_generations"] == 0, what="the end")
        assert engine.stats()["tokens_total"] == 50
        assert engine.stats()["tokens_after_disconnect"] > 10


def test_floods_until_the_client_leaves():
    with FakeEngine(flood=True) as engine:
        sock = open_stream(engine)
        got = 0
        while got < 20_000_000:
            got += len(sock.recv(1 << 20))
        sock.close()
        until(lambda: engine.stats()["active_generations"] == 0, what="the end")


def test_rate_and_chunk_size():
    with FakeEngine(tokens=10, tokens_per_s=50, chunk_bytes=200) as engine:
        began = time.monotonic()
        got = events(engine.post("/v1/chat/completions", STREAM)[2])
        assert time.monotonic() - began >= 0.19
        assert len(json.loads(got[1])["choices"][0]["delta"]["content"]) == 200


def test_resets_before_the_head():
    with FakeEngine(reset="before_head") as engine:
        with pytest.raises(ConnectionResetError):
            engine.post("/v1/chat/completions", CHAT)


@pytest.mark.parametrize("where", ["after_head", "mid_stream", "cut_mid_stream"])
def test_breaks_a_stream(where):
    with FakeEngine(reset=where, fault_at_token=3, tokens_per_s=100) as engine:
        sock = open_stream(engine)
        got = b""
        try:
            while block := sock.recv(65536):
                got += block
        except ConnectionResetError:
            assert where != "cut_mid_stream"
        else:
            assert where == "cut_mid_stream"
        assert got.startswith(b"HTTP/1.1 200")
        assert b"0\r\n\r\n" not in got[-8:]
        assert (b"t2 " in got) == (where != "after_head")


def test_ends_without_done():
    with FakeEngine(no_done=True) as engine:
        body = engine.post("/v1/chat/completions", STREAM)[2]
        assert b"[DONE]" not in body and b"t15" in body


def test_error_in_a_200_stream():
    with FakeEngine(stream_error=True, fault_at_token=0) as engine:
        status, _, body = engine.post("/v1/chat/completions", STREAM)
        assert status == 200
        assert "planned failure" in json.loads(events(body)[-1])["error"]["message"]


def test_status_with_retry_after():
    with FakeEngine(status=429, retry_after="7") as engine:
        status, headers, body = engine.post("/v1/chat/completions", CHAT)
        assert (status, headers["Retry-After"]) == (429, "7")
        assert json.loads(body)["error"]["code"] == 429


def test_html_body():
    with FakeEngine(html=True, status=502) as engine:
        status, headers, body = engine.post("/v1/chat/completions", CHAT)
        assert (status, headers["Content-Type"]) == (502, "text/html")
        assert body.startswith(b"<html>")


def test_slow_head():
    with FakeEngine(head_delay_ms=300) as engine:
        began = time.monotonic()
        engine.post("/v1/chat/completions", CHAT)
        assert time.monotonic() - began >= 0.3


def test_stream_that_ends_with_the_connection():
    with FakeEngine(framing="close") as engine:
        _, headers, body = engine.post("/v1/chat/completions", STREAM)
        assert "Transfer-Encoding" not in headers and headers["Connection"] == "close"
        assert events(body)[-1] == "[DONE]"


@pytest.mark.parametrize("chunked", [False, True])
def test_echo_tells_the_digest_of_a_large_body(chunked):
    body = os.urandom(1 << 20) * 20
    with FakeEngine() as engine:
        sent = iter([body[i:i + 65536] for i in range(0, len(body), 65536)]) if chunked else body
        answer = json.loads(engine.post("/echo", sent, timeout=60)[2])
        assert answer["size"] == len(body)
        assert answer["sha256"] == hashlib.sha256(body).hexdigest()


def test_keeps_a_connection_for_the_next_request():
    with FakeEngine() as engine:
        connection = http.client.HTTPConnection("127.0.0.1", engine.port)
        for _ in range(3):
            connection.request("POST", "/v1/chat/completions", json.dumps(STREAM))
            assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
        assert engine.stats()["connections_total"] == 2
        connection.close()


def test_embeddings_need_the_flag_and_tell_texts_apart():
    with FakeEngine() as engine:
        assert engine.post("/v1/embeddings", {"input": "a"})[0] == 501
    with FakeEngine("--embeddings", dims=12) as engine:
        data = json.loads(engine.post("/v1/embeddings", {"input": ["a", "b", "a"]})[2])["data"]
        assert len(data[0]["embedding"]) == 12
        assert data[0]["embedding"] == data[2]["embedding"] != data[1]["embedding"]


@pytest.mark.parametrize("surface", ["llamacpp", "vllm", "sglang"])
def test_a_key_is_asked_for(surface):
    with FakeEngine("--surface", surface, "--api-key", "secret", "--alias", "m") as engine:
        assert engine.get("/health")[0] == 200
        assert engine.post("/v1/chat/completions", CHAT)[0] == 401
        good = {"Authorization": "Bearer secret"}
        assert engine.post("/v1/chat/completions", CHAT, headers=good)[0] == 200


@pytest.mark.parametrize("surface,status", [("llamacpp", 200), ("vllm", 404), ("ollama", 404)])
def test_an_unknown_model(surface, status):
    with FakeEngine("--surface", surface, "--alias", "m", models="m") as engine:
        asked = {**CHAT, "model": "other"}
        assert engine.post("/v1/chat/completions", asked)[0] == status


def test_speaks_ollama():
    with FakeEngine("--surface", "ollama", tokens=2, load_bytes=1000, load_mb_per_s=0.01) as engine:
        assert engine.get("/")[2] == b"Ollama is running"
        assert json.loads(engine.get("/api/version")[2])["version"]
        assert json.loads(engine.get("/api/tags")[2])["models"] == []
        assert engine.post("/api/chat", CHAT)[0] == 404
        blob = b"GGUF weights"
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        assert engine.post(f"/api/blobs/{digest}", blob)[0] == 201
        assert engine.post("/api/blobs/sha256:00", blob)[0] == 400
        engine.post("/api/create", {"model": "m", "files": {"m.gguf": digest}, "stream": False})
        assert json.loads(engine.get("/api/tags")[2])["models"][0]["name"] == "m:latest"
        assert json.loads(engine.get("/api/ps")[2])["models"] == []
        assert "model loaded" not in engine.log()
        lines = [json.loads(x) for x in engine.post("/api/chat", CHAT)[2].splitlines()]
        assert "model loaded" in engine.log()
        assert [x["message"]["content"] for x in lines] == ["t0 ", "t1 ", ""]
        assert lines[-1]["done"] and lines[-1]["eval_count"] == 2
        assert json.loads(engine.get("/api/ps")[2])["models"][0]["name"] == "m:latest"
        assert engine.post("/v1/chat/completions", CHAT)[0] == 200
        vectors = json.loads(engine.post("/api/embed", {"model": "m", "input": ["a", "b"]})[2])
        assert len(vectors["embeddings"]) == 2


def test_a_link_named_like_the_engine_stands_in_for_it(tmp_path):
    for name in ("llama-server", "ollama"):
        (tmp_path / name).symlink_to(binary())
    shown = subprocess.run([tmp_path / "llama-server", "--version"], capture_output=True, text=True)
    assert "version: " in shown.stderr
    (tmp_path / "fake_engine.state.json").write_text('{"models": "x:1b"}')
    process = subprocess.Popen(
        [tmp_path / "ollama", "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "OLLAMA_HOST": "127.0.0.1:0"})
    try:
        port = int(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/api/tags")
        assert json.loads(connection.getresponse().read())["models"][0]["name"] == "x:1b"
        connection.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_misspelt_knob_is_fatal():
    with FakeEngine() as engine:
        engine.turn(tokns=3)
        assert engine.exit_code() == 70


def test_a_port_in_use_ends_it():
    with FakeEngine() as engine, FakeEngine("--port", engine.port, listens=False) as second:
        assert second.exit_code() == 1
        assert "couldn't bind" in second.log()


def test_bench_mode_answers_600_bytes_and_100_chunks():
    with FakeEngine("--bench") as engine:
        connection = http.client.HTTPConnection("127.0.0.1", engine.port)
        for _ in range(2):
            connection.request("POST", "/v1/chat/completions", json.dumps(CHAT))
            assert len(connection.getresponse().read()) == 600
            connection.request("POST", "/v1/chat/completions", json.dumps(STREAM))
            got = events(connection.getresponse().read())
            assert len(got) == 101 and got[-1] == "[DONE]"
        connection.close()


def test_bench_mode_speaks_ollama_too():
    with FakeEngine("--bench", "--surface", "ollama") as engine:
        connection = http.client.HTTPConnection("127.0.0.1", engine.port)
        connection.request("GET", "/api/tags")
        assert json.loads(connection.getresponse().read())["models"][0]["name"] == "bench:latest"
        connection.request("POST", "/api/chat", json.dumps(CHAT))
        whole = connection.getresponse().read()
        assert len(whole) == 600 and json.loads(whole)["eval_count"] == 100
        connection.request("POST", "/api/chat", json.dumps(STREAM))
        lines = [json.loads(line) for line in connection.getresponse().read().splitlines()]
        assert len(lines) == 101
        assert [line["done"] for line in lines] == [False] * 100 + [True]
        connection.close()
