"""A secret planted wherever a client can put one is found nowhere afterwards."""
import http.client
import json
import sqlite3

import pytest

from fake_cloud import FakeCloud
from nova_fixture import BACKEND, FakeEngine, Nova, request, until

BASE = BACKEND.removesuffix("/inference/backend")
KEY = "canary-key-7f3a9e51c2d84b60"
HEADER = "canary-header-19d7e4b2a8c35f06"
BODY = "canary-body-c40f2b7ad16e8935"
PROVIDER = "canary-provider-5e1b93d70fa2c468"
CANARIES = (KEY, HEADER, BODY, PROVIDER)
HEADERS = {"X-Custom-Secret": HEADER, "Cookie": f"session={HEADER}",
           "Proxy-Authorization": f"Bearer {HEADER}", "X-Request-Id": f"bad id {HEADER}"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(nova, answers, real key) after every way a request can go well or wrong."""
    with FakeEngine("--alias", "fake-model") as engine, FakeCloud(["cloud-1"]) as cloud:
        with Nova(tmp_path_factory.mktemp("canary") / "data",
                  env={"NOVA_LOG_LEVEL": "debug"}) as nova:
            nova.start("custom", "--url", engine.url)
            answers = []
            every_way(nova, engine, "unused-while-there-is-none", answers)
            made = control(nova, "POST", "/keys", {"name": "real"})
            every_way(nova, engine, made["key"], answers)
            providers(nova, cloud, made["key"], answers)
            wrong_keys(nova, answers)
            until(lambda: nova.inflight()["active_relays"] == 0, 20, "an idle gateway")
            until(lambda: "status=429" in nova.log(), 20, "the last line of the access log")
            yield nova, answers, made["key"]


def control(nova, method, path, body=None):
    status, _, raw = request(nova.control, method, BASE + path, body,
                             headers={"X-Admin-Secret": nova.secret()})
    assert status < 300, (path, status, raw)
    return json.loads(raw)


def body(**more):
    return {"model": "fake-model", "messages": [{"role": "user", "content": BODY}],
            "user": BODY, "metadata": {"secret": BODY}, **more}


def ask(nova, key, path, content, answers, **more):
    headers = {**HEADERS, "Authorization": f"Bearer {key}", **more}
    answers.append(request(nova.gateway, "POST", path, content, headers=headers))
    return answers[-1][0]


def every_way(nova, engine, key, answers):
    chat = "/v1/chat/completions"
    assert ask(nova, key, chat, body(), answers) == 200
    assert ask(nova, key, chat, body(stream=True), answers) == 200
    ask(nova, key, "/v1/completions", {"model": "fake-model", "prompt": BODY}, answers)
    ask(nova, key, "/v1/embeddings", {"model": "fake-model", "input": BODY}, answers)
    ask(nova, key, chat, "{" + BODY, answers)
    ask(nova, key, chat, {"messages": BODY}, answers)
    ask(nova, key, chat, body(), answers, **{"Content-Encoding": "gzip"})
    for knobs in ({"reset": "before_head"}, {"reset": "after_head"}, {"status": 500},
                  {"status": 401}, {"status": 429}, {"html": True}, {"stream_error": True}):
        engine.turn(**knobs)
        for stream in (False, True):
            try:
                ask(nova, key, chat, body(stream=stream), answers)
            except (http.client.HTTPException, OSError):
                pass  # an answer that was cut
    engine.turn(flood=True)
    connection = http.client.HTTPConnection("127.0.0.1", nova.gateway, timeout=60)
    connection.request("POST", chat, json.dumps(body(stream=True)),
                       {**HEADERS, "Authorization": f"Bearer {key}"})
    connection.getresponse().read1(100)
    connection.close()
    engine.turn()


def providers(nova, cloud, key, answers):
    """Clouds whose keys are canaries too, and which quote what they were given."""
    for name, kind in (("quoting", "openai-compatible"), ("claude", "anthropic")):
        control(nova, "PUT", f"/providers/{name}", {
            "kind": kind, "base_url": cloud.url, "secret": PROVIDER, "default_model": "cloud-1",
            "models": ["cloud-1"]})
    quote = {"error": {"message": f"{PROVIDER} is wrong", "type": PROVIDER, "code": PROVIDER}}
    chat = {"model": "cloud-1", "max_tokens": 5, "messages": [{"role": "user", "content": BODY}]}
    for name in ("quoting", "claude"):
        for path in ("/v1/chat/completions", "/v1/messages", "/api/chat"):
            for stream in (False, True):
                for status in (200, 400, 401, 403, 404, 413, 422, 429, 500):
                    cloud.turn(status=status, body=quote)
                    asked = {**chat, "model": f"{name}/cloud-1", "stream": stream}
                    ask(nova, key, path, asked, answers)
                    control(nova, "PUT", f"/providers/{name}", {"enabled": True})  # tried again
        for knobs in ({"status": 500, "body": f"<html>{PROVIDER}"}, {"reset": "head"},
                      {"reset": "start"}, {"quote": quote}):
            cloud.turn(**knobs)
            ask(nova, key, "/v1/chat/completions",
                {**chat, "model": f"{name}/cloud-1", "stream": True}, answers)
            control(nova, "PUT", f"/providers/{name}", {"enabled": True})
        cloud.turn(list_status=400, body=quote)
        tested = control(nova, "POST", f"/providers/{name}/test")
        assert tested["ok"] is False and "is wrong" in tested["observed"], tested
        without((PROVIDER,), json.dumps(tested), "a provider's test")
        cloud.turn()
    assert cloud.asked("/messages"), "both dialects were spoken"


def wrong_keys(nova, answers):
    for number in range(12):
        shape = f"nova_{number}_{KEY}" if number % 2 else KEY
        for headers in ({"Authorization": f"Bearer {shape}"}, {"x-api-key": shape}):
            answers.append(request(nova.gateway, "GET", f"/v1/models?key={KEY}", headers=headers))
    assert answers[-1][0] == 429


def without(canaries, text, what):
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    for canary in canaries:
        at = text.find(canary)
        assert at < 0, f"{canary} in {what}: ...{text[max(0, at - 200):at + 60]}"


def secrets(place):
    return (*CANARIES, place[2], place[2].split("_")[2])


def test_not_in_the_log(place):
    without(secrets(place), place[0].log(), "the log")


def test_not_in_metrics(place):
    status, _, page = place[0].get("/metrics")
    assert status == 200
    without(secrets(place), page, "/metrics")


def test_not_in_what_the_gateway_tells(place):
    nova, _, key = place
    for path in ("/health/providers", "/health/ready", "/v1/models", "/models", "/api/tags"):
        status, headers, raw = nova.get(path, headers={"x-api-key": key})
        assert status == 200, (path, raw)
        without(secrets(place), json.dumps(headers) + raw.decode(), path)


def test_not_in_answers_about_errors(place):
    refusals = [raw for status, _, raw in place[1] if status >= 400]
    assert len(refusals) > 20
    for raw in refusals:
        without(secrets(place), raw, "an error's body")


def test_not_in_heads_of_answers(place):
    for _, headers, _ in place[1]:
        without(secrets(place), json.dumps(headers), "an answer's head")


def test_not_in_what_the_control_api_tells(place):
    nova = place[0]
    for path in ("/inference/backend", "/inference/backends", "/inference/operations",
                 "/inference/requests", "/keys", "/usage?group_by=key", "/usage?group_by=model",
                 "/providers", "/providers/quoting", "/settings"):
        without(secrets(place), json.dumps(control(nova, "GET", path)), path)
    without(secrets(place), request(nova.control, "GET", "/")[2], "the status page")
    connection = http.client.HTTPConnection("127.0.0.1", nova.control, timeout=20)
    connection.request("GET", BASE + "/inference/events",
                       headers={"X-Admin-Secret": nova.secret(), "Last-Event-ID": "0"})
    seen = b""
    answer = connection.getresponse()
    while b"key.create" not in seen:
        piece = answer.read1(65536)
        assert piece, "the events end before the key's"
        seen += piece
    connection.close()
    without(secrets(place), seen, "the events")


def test_not_on_disk(place):
    nova = place[0]
    files = [path for path in nova.data.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"nova.db", "usage.db"} <= names
    for path in files:
        without(secrets(place), path.read_bytes(), path.name)


def test_the_ledger_has_rows_after_all(place):
    nova = place[0]
    until(lambda: rows(nova) > 10, 20, "rows in the ledger")


def rows(nova):
    database = sqlite3.connect(f"file:{nova.data / 'usage.db'}?mode=ro", uri=True)
    try:
        return database.execute("SELECT count(*) FROM usage").fetchone()[0]
    finally:
        database.close()
