"""Keys, limits, metrics, usage and the list of running requests, from the outside."""
import http.client
import json
import re
import socket
import subprocess

import pytest

from nova_fixture import BACKEND, FakeEngine, Nova, free_port, nova_binary, request, until
from refusals import CONFLICT, NOT_FOUND, PRECONDITION, refused

BASE = BACKEND.removesuffix("/inference/backend")
CHAT = {"model": "fake-model", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(nova, engine) with a custom backend that answers."""
    with FakeEngine("--alias", "fake-model") as engine:
        with Nova(tmp_path_factory.mktemp("keys") / "data") as nova:
            nova.start("custom", "--url", engine.url)
            yield nova, engine


@pytest.fixture
def nova(place):
    """The nova without a key, its engine without a fault."""
    nova, engine = place
    yield nova
    engine.turn()
    for key in control(nova, "GET", "/keys")["keys"]:
        control(nova, "DELETE", f"/keys/{key['id']}")
    until(lambda: nova.inflight()["active_relays"] == 0, 20, "an idle gateway")


def control(nova, method, path, body=None):
    headers = {"X-Admin-Secret": nova.secret()}
    status, _, raw = request(nova.control, method, BASE + path, body, headers=headers)
    assert status < 300, (path, status, raw)
    return json.loads(raw)


def make_key(nova, name="test", **wish):
    return control(nova, "POST", "/keys", {"name": name, **wish})["key"]


def chat(nova, key, **more):
    return nova.post("/v1/chat/completions", {**CHAT, **more}, headers={"x-api-key": key})


def metric(nova, name, **labels):
    """The sum of the samples of that name with these labels."""
    status, headers, raw = nova.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    total = 0.0
    for line in raw.decode().splitlines():
        if line.startswith((name + "{", name + " ")):
            if all(f'{label}="{value}"' in line for label, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
    return total


class Stream:
    """A streamed chat that has begun; close() leaves it in the middle."""

    def __init__(self, nova, key):
        self.connection = http.client.HTTPConnection("127.0.0.1", nova.gateway, timeout=60)
        body = json.dumps({**CHAT, "stream": True, "max_tokens": 4096})
        self.connection.request("POST", "/v1/chat/completions", body, {
            "x-api-key": key, "Content-Type": "application/json", "X-Request-Id": "the-stream"})
        self.answer = self.connection.getresponse()

    def read(self):
        return self.answer.read1(4096)

    def close(self):
        self.answer.close()
        self.connection.close()


def test_requests_a_minute(nova):
    key = make_key(nova, requests_per_minute=2)
    assert [chat(nova, key)[0] for _ in range(2)] == [200, 200]
    status, headers, raw = chat(nova, key)
    assert status == 429, raw
    assert 1 <= int(headers["Retry-After"]) <= 30
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    error = json.loads(raw)["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert metric(nova, "nova_keys_refused_total", reason="requests_per_minute") >= 1


def test_tokens_a_minute(nova):
    key = make_key(nova, tokens_per_minute=10)
    assert chat(nova, key, max_tokens=16)[0] == 200
    status, headers, raw = chat(nova, key)
    assert status == 429 and headers["x-ratelimit-remaining-tokens"] == "0", raw


def test_a_place_is_free_again_however_a_request_ends(place, nova):
    _, engine = place
    key = make_key(nova, concurrent=1)
    for _ in range(3):
        engine.turn(flood=True)
        stream = Stream(nova, key)
        assert stream.answer.status == 200 and stream.read()
        status, headers, _ = chat(nova, key)
        assert status == 429 and headers["Retry-After"]
        stream.close()
        engine.turn()
        until(lambda: chat(nova, key)[0] == 200, 20, "the place of a client that left")
    engine.turn(reset="before_head")
    assert chat(nova, key)[0] == 502
    engine.turn(status=500)
    assert chat(nova, key)[0] >= 500
    engine.turn()
    assert chat(nova, key)[0] == 200
    assert chat(nova, key, model="nowhere")[0] == 404
    assert chat(nova, key)[0] == 200


def test_a_key_for_other_models(nova):
    key = make_key(nova, models=["llama*"])
    status, _, raw = chat(nova, key)
    assert status in (403, 404), raw
    assert chat(nova, make_key(nova, "all of them", models=["fake*"]))[0] == 200


def test_a_key_for_other_providers(nova):
    status, _, raw = chat(nova, make_key(nova, providers=["openai"]))
    assert status in (403, 404), raw


def test_a_forwarded_request_is_nobodys_neighbour(nova):
    assert nova.get("/v1/models")[0] == 200
    for name in ("X-Forwarded-For", "Forwarded"):
        assert nova.get("/v1/models", headers={name: "for=127.0.0.1"})[0] == 401
        assert nova.get("/metrics", headers={name: "for=127.0.0.1"})[0] == 401


def test_the_command_line_goes_on_when_there_are_keys(nova):
    make_key(nova)
    assert nova.get("/v1/models")[0] == 401
    done = nova.cli("chat", "hello", "--max-tokens", "4")
    assert done.stdout.strip()


def test_keys_by_the_command_line(nova):
    done = nova.cli("keys", "create", "laptop", "--never-cloud", "--models", "fake*,m",
                    "--expires", "1d", "--rpm", "100", "--tpm", "100000", "--concurrent", "3")
    key = done.stdout.strip()
    assert re.fullmatch(r"nova_[0-9a-f]{12}_[0-9a-f]{48}", key)
    assert "not shown again" in done.stderr
    assert chat(nova, key)[0] == 200
    listed = json.loads(nova.cli("keys", "list", "--json").stdout)["keys"]
    assert [row["name"] for row in listed] == ["laptop"]
    assert (listed[0]["models"], listed[0]["never_cloud"]) == (["fake*", "m"], True)
    plain = nova.cli("keys", "list").stdout
    assert "laptop" in plain and key not in plain and key.split("_")[2] not in plain
    refused(nova.cli("keys", "create", "laptop", check=False), CONFLICT, "laptop")
    made = json.loads(nova.cli("keys", "create", "second", "--json").stdout)
    assert made["key"].startswith(f"nova_{made['id']}_")
    nova.cli("keys", "revoke", "laptop")
    assert chat(nova, key)[0] == 401
    nova.cli("keys", "revoke", made["id"], "--json")
    refused(nova.cli("keys", "revoke", "laptop", check=False), NOT_FOUND, "laptop")


def test_keys_outlive_a_restart(tmp_path):
    nova = Nova(tmp_path / "data")
    with nova:
        key = make_key(nova)
    with nova:
        assert nova.get("/v1/models")[0] == 401
        assert nova.get("/v1/models", headers={"Authorization": f"Bearer {key}"})[0] == 200


def usage_rows(nova, group="key"):
    answer = json.loads(nova.cli("usage", "--group-by", group, "--json").stdout)
    return {row[group]: row for row in answer["rows"]}


def test_usage_by_key_and_what_an_aborted_stream_used(place, nova):
    _, engine = place
    made = control(nova, "POST", "/keys", {"name": "billed"})
    assert chat(nova, made["key"], max_tokens=8)[0] == 200
    row = until(lambda: usage_rows(nova).get(made["id"]), 20, "the first row")
    assert row["requests"] == 1 and row["not_served"] == 0 and row["completion_tokens"] > 0
    assert row["key_name"] == "billed"
    engine.turn(tokens=100_000, tokens_per_s=200)
    stream = Stream(nova, made["key"])
    for _ in range(5):
        assert stream.read()
    stream.close()
    engine.turn()

    def billed():
        now = usage_rows(nova)[made["id"]]
        return now if now["requests"] == 2 else None

    later = until(billed, 20, "the row of the stream that was left")
    assert later["not_served"] == 1
    assert later["completion_tokens"] > row["completion_tokens"], "billed for what streamed"
    assert later["requests_counted_by_nova"] == 1
    plain = nova.cli("usage", "--group-by", "day").stdout
    assert "total" in plain


def test_metrics_name_models_and_bound_them(nova):
    key = make_key(nova)
    before = metric(nova, "gen_ai_server_request_duration_seconds_count",
                    gen_ai_request_model="fake-model")
    assert chat(nova, key)[0] == 200
    for number in range(30):
        assert chat(nova, key, model=f"made-up-{number}")[0] == 404
    after = until(lambda: metric(nova, "gen_ai_server_request_duration_seconds_count",
                                 gen_ai_request_model="fake-model"), 10, "a count")
    assert after == before + 1
    page = nova.get("/metrics")[2].decode()
    assert "made-up" not in page
    assert metric(nova, "nova_backend_state", backend="custom", state="ready") == 1
    assert metric(nova, "nova_requests_total", route="/v1/chat/completions", status="404") >= 30


def test_running_requests(place, nova):
    _, engine = place
    make_key(nova, "somebody")
    key = make_key(nova, "runner")
    assert control(nova, "GET", "/inference/requests")["requests"] == []
    engine.turn(flood=True)
    stream = Stream(nova, key)
    try:
        assert stream.read()
        (running,) = control(nova, "GET", "/inference/requests")["requests"]
        assert running["id"] == "the-stream"
        assert running["model"] == "fake-model" and running["provider"] == "custom"
        assert running["key_name"] == "runner" and running["phase"] == "answering"
        assert running["route"] == "/v1/chat/completions" and running["bytes"] > 0
    finally:
        stream.close()
        engine.turn()
    until(lambda: not control(nova, "GET", "/inference/requests")["requests"], 20, "an empty list")


def test_a_line_for_each_request(nova):
    key = make_key(nova, "logged")
    headers = {"x-api-key": key, "X-Request-Id": "line-1"}
    assert nova.post("/v1/chat/completions", CHAT, headers=headers)[0] == 200
    headers["X-Request-Id"] = "line-2"
    assert nova.post("/v1/chat/completions", {**CHAT, "model": "no\nsuch"},
                     headers=headers)[0] == 404
    assert nova.get("/v1/models", headers={"X-Request-Id": "line-3"})[0] == 401

    def lines():
        found = {name: [line for line in nova.log().splitlines() if f"id={name}" in line]
                 for name in ("line-1", "line-2", "line-3")}
        return found if all(found.values()) else None

    found = until(lines, 20, "three lines")
    assert all(len(rows) == 1 for rows in found.values())
    assert "end=served" in found["line-1"][0] and "key=logged" in found["line-1"][0]
    assert "status=404" in found["line-2"][0] and "end=refused" in found["line-2"][0]
    assert "status=401" in found["line-3"][0]


def serve_openly(nova):
    """Serves on every address of the machine."""
    command = [nova_binary(), "serve", "--data-dir", nova.data,
               "--gateway-listen", f"0.0.0.0:{nova.gateway}",
               "--control-listen", f"127.0.0.1:{nova.control}"]
    with open(nova.log_path, "ab") as log:
        nova.process = subprocess.Popen(command, stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL, env=nova.env)
    until(nova._alive, 30, "nova's gateway")


def test_a_gateway_beyond_this_machine_makes_its_first_key(tmp_path):
    nova = Nova(tmp_path / "data")
    file = nova.data / "api-key"
    try:
        serve_openly(nova)
        key = file.read_text().strip()
        assert file.stat().st_mode & 0o777 == 0o600
        assert nova.get("/v1/models")[0] == 401
        assert nova.get("/v1/models", headers={"x-api-key": key})[0] == 200
        nova.process.terminate()
        assert nova.process.wait(30) == 0
        serve_openly(nova)
        assert file.read_text().strip() == key, "the same one, not a second"
        for row in control(nova, "GET", "/keys")["keys"]:
            control(nova, "DELETE", f"/keys/{row['id']}")
        nova.process.terminate()
        assert nova.process.wait(30) == 0
    finally:
        if nova.process.poll() is None:
            nova.process.kill()
            nova.process.wait()
    done = subprocess.run([nova_binary(), "serve", "--data-dir", nova.data, "--gateway-listen",
                           f"0.0.0.0:{free_port()}", "--control-listen", "127.0.0.1:0"],
                          env=nova.env, capture_output=True, text=True, timeout=30, check=False)
    refused(done, PRECONDITION, "api-key")


def test_a_half_request_costs_no_place(nova):
    """A client that sends a head and goes away never counts."""
    key = make_key(nova, concurrent=1)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", nova.gateway), timeout=10) as sock:
            sock.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                          f"x-api-key: {key}\r\nContent-Length: 100\r\n\r\n{{").encode())
    assert chat(nova, key)[0] == 200
