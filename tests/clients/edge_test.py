"""What clients and attackers do at the edge: coded bodies, hostile names, huge requests."""
import gzip
import hashlib
import http.client
import json
import zlib

import pytest

from nova_fixture import request

CHAT = {"model": "fake-model", "messages": [{"role": "user", "content": "hi"}]}
ROUTE = "/v1/chat/completions"


@pytest.mark.parametrize("coding,pack", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_reaches_the_engine_unpacked(fake, coding, pack):
    nova, engine = fake
    engine.turn()
    body = json.dumps({**CHAT, "user": "x" * 100_000}).encode()
    status, _, answer = nova.post(ROUTE, pack(body), headers={"Content-Encoding": coding})
    assert status == 200, answer
    last = json.loads(engine.get("/__fake/last")[2])
    assert last["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_bomb_ends_at_the_limit(fake):
    nova, _ = fake
    bomb = gzip.compress(b'{"model":"fake-model","x":"' + b" " * (100 << 20) + b'"}')
    assert len(bomb) < 1 << 20
    status, _, answer = nova.post(ROUTE, bomb, headers={"Content-Encoding": "gzip"})
    assert status == 413, answer
    assert nova.post(ROUTE, CHAT)[0] == 200


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip, gzip"])
def test_a_coding_nova_does_not_know_is_named_as_the_reason(fake, coding):
    status, _, answer = fake[0].post(ROUTE, CHAT, headers={"Content-Encoding": coding})
    assert status == 400
    assert json.loads(answer)["error"]["code"] == "unsupported_content_encoding"


def test_the_model_behind_20_mb_is_found_and_the_one_inside_is_not(fake):
    nova, engine = fake
    engine.turn()
    text = '"model":"evil","model" : "worse", \\"' * 600_000
    body = json.dumps({"messages": [{"role": "user", "content": text}], "model": "fake-model"})
    assert len(body) > 20 << 20
    assert nova.post(ROUTE, body)[0] == 200


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\0b", "../../admin", "%2e%2e",
                                  "x" * 100_000, "\ud800", "m\u2028n", "{{model}}", "a\"b\\"])
def test_a_hostile_model_name_is_only_unknown(fake, name):
    status, headers, answer = fake[0].post(ROUTE, {**CHAT, "model": name})
    assert status in (400, 404), answer
    assert json.loads(answer)["error"]["message"]
    assert not any("evil" in field.lower() for field in headers)
    assert all("\r" not in value and "\n" not in value for value in headers.values())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"{}{}", b"\xff\xfe",
                                  b"\x00" * 9, b'{"model":', b'{"model":1}',
                                  b'{"model":"fake-model",}',
                                  b"[" * 100_000, b'{"a":' * 100_000, b'{"model":"a","model":"b"}',
                                  b'{"model":"fake-model"} x'], ids=lambda body: str(body[:24]))
@pytest.mark.parametrize("path", [ROUTE, "/v1/completions", "/v1/embeddings"])
def test_a_malformed_body_is_a_400_that_says_so(fake, path, body):
    status, _, answer = fake[0].post(path, body)
    assert status == 400, answer
    assert json.loads(answer)["error"]["type"] == "invalid_request_error"


def test_a_header_of_40_kilobytes_passes(fake):
    headers = {"Authorization": "Bearer " + "x" * 40_000, "anthropic-beta": "y," * 4_000}
    assert fake[0].post(ROUTE, CHAT, headers=headers)[0] == 200


def test_a_stream_tells_proxies_not_to_hold_it_back(fake):
    status, headers, _ = fake[0].post(ROUTE, {**CHAT, "stream": True})
    assert status == 200
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "bearer  ", "Basic Og==",
                                   "Bearer a b c", "Bearer \u00ff", "x" * 8_000, ",",
                                   "Bearer ,Bearer x"])
def test_a_malformed_authorization_breaks_nothing(fake, value):
    nova, _ = fake
    status, _, _ = request(nova.control, "GET", "/recovery-api/api/v1/recovery/inference/backend",
                           headers={"Authorization": value.encode("latin-1")})
    assert status in (401, 429)
    assert nova.get("/health/live")[0] == 200


def test_the_answer_to_head_has_no_body(fake):
    connection = http.client.HTTPConnection("127.0.0.1", fake[0].gateway, timeout=60)
    try:
        connection.request("HEAD", "/v1/models")
        answer = connection.getresponse()
        assert answer.status == 200 and int(answer.getheader("Content-Length")) > 0
        assert answer.read() == b""
        connection.request("GET", "/v1/models")  # on the same connection
        assert json.loads(connection.getresponse().read())["data"]
    finally:
        connection.close()
