"""Every documented route answers as documented; doors that have to be shut are shut."""
import json

import pytest

from control_api import BASES, conform, operations
from nova_fixture import request

# A request for each operation: parameters, body, and the statuses it may have on an idle nova.
REQUESTS = {
    "get_backend": ({}, None, {200}),
    "list_slots": ({}, None, {200}),
    "list_backends": ({}, None, {200}),
    "start_backend": ({"backend": "llamacpp"}, {"model": "/nowhere/model.gguf", "options": 1},
                      {400, 422}),
    "switch_model": ({"backend": "llamacpp"}, {}, {400, 422}),
    "stop_backend": ({}, None, {200, 202}),
    "get_logs": ({}, None, {200, 404}),
    "list_operations": ({}, None, {200}),
    "get_operation": ({"id": "no-such-operation"}, None, {404}),
    "cancel_operation": ({"id": "no-such-operation"}, None, {404}),
    "stream_events": None,  # journey_test.py
    "get_hardware": ({}, None, {200, 404}),
    "detect_hardware": ({}, None, {200}),
    "get_gpu_stats": ({}, None, {200}),
    "get_inference_hardware": ({}, None, {200, 404}),
    "get_inference_gpu_stats": ({}, None, {200}),
    "list_requests": ({}, None, {200}),
    "list_keys": ({}, None, {200}),
    "create_key": ({}, {"name": "", "models": ["m"]}, {422}),
    "revoke_key": ({"id": "no-such-key"}, None, {404}),
    "get_usage": ({}, None, {200}),
    "get_mode": ({}, None, {200}),
    "set_mode": ({}, {"mode": "elsewhere"}, {422}),
    "get_settings": ({}, None, {200}),
    "change_settings": ({}, {"drain_s": -1}, {422}),
    "list_providers": ({}, None, {200}),
    "get_provider": ({"id": "nobody"}, None, {404}),
    "put_provider": ({"id": "nobody"}, {"order": "first"}, {400}),
    "delete_provider": ({"id": "nobody"}, None, {404}),
    "test_provider": ({"id": "nobody"}, None, {404}),
    "get_live": ({}, None, {200}),
    "get_ready": ({}, None, {200, 503}),
}
ALL = [(method, path, operation["operationId"]) for method, path, operation in operations()]
OPEN = {operation["operationId"] for _, _, operation in operations()
        if operation.get("security") == []}
PARAMETERS = {"backend": "llamacpp", "id": "x"}


def test_every_operation_of_the_document_has_a_request_here():
    assert set(REQUESTS) == {name for _, _, name in ALL}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", [name for name, asked in REQUESTS.items() if asked])
def test_answers_as_documented(api, name, base):
    parameters, body, statuses = REQUESTS[name]
    status, value = api.call(name, body, base=base, **parameters)
    assert status in statuses, value


@pytest.mark.parametrize("method,path,name", [row for row in ALL if row[2] not in OPEN])
@pytest.mark.parametrize("base", BASES)
def test_nothing_is_told_without_the_secret(api, method, path, name, base):
    before = api.call("get_backend")[1]["generation"]
    body = {} if method in ("POST", "PUT", "PATCH") else None
    for headers in ({}, {"Cookie": "session=1"}, {"Authorization": "Basic eDp5"}):
        status, answered, raw = api.raw(method, path.format(**PARAMETERS), body, secret=False,
                                        base=base, headers=headers)
        assert status == 401, (name, raw)
        conform(json.loads(raw), "error")
        assert answered["Content-Type"].startswith("application/json")
    assert api.call("get_backend")[1]["generation"] == before


def test_the_secret_as_a_bearer_token(api):
    headers = {"Authorization": f"Bearer {api.nova.secret()}"}
    assert api.raw("GET", "/inference/backend", secret=False, headers=headers)[0] == 200


@pytest.mark.parametrize("name", sorted(OPEN))
def test_health_needs_no_secret(api, name):
    method, path, _ = api.by_id[name]
    assert api.raw(method, path, secret=False)[0] in (200, 503)


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/inference", "/inference/backend/",
                                  "/inference/backend/llamacpp", "/inference/operations/a/b",
                                  "/inference/%2e%2e/hardware"])
def test_an_unknown_route(api, path):
    status, _, raw = api.raw("GET", path)
    assert status == 404, raw
    conform(json.loads(raw), "error")


@pytest.mark.parametrize("method,path", [("DELETE", "/inference/backend"), ("PUT", "/hardware"),
                                         ("GET", "/inference/backend/stop"),
                                         ("POST", "/inference/operations")])
def test_a_wrong_method(api, method, path):
    status, headers, raw = api.raw(method, path)
    assert status == 405, raw
    assert headers["Allow"]
    conform(json.loads(raw), "error")


@pytest.mark.parametrize("body", ["{", "[]", '"text"', '{"model": 1}', '{"modle": "x"}',
                                  '{"model": "x", "options": {"context": null}}',
                                  '{"model": "x", "runtime": "warp"}', "\xff", "[" * 10_000])
def test_a_body_that_is_no_wish(api, body):
    before = api.call("get_backend")[1]
    status, _, raw = api.raw("POST", "/inference/backend/llamacpp/start", body.encode("latin-1"))
    assert status in (400, 422), raw
    conform(json.loads(raw), "error")
    assert api.call("get_backend")[1]["generation"] == before["generation"]


def test_a_body_that_is_too_long(api):
    body = json.dumps({"model": "x" * 1_000_000})
    status, _, raw = api.raw("POST", "/inference/backend/llamacpp/start", body)
    assert status == 413
    conform(json.loads(raw), "error")


@pytest.mark.parametrize("query", ["?tail=0", "?tail=-1", "?tail=x", "?tail=999999999999999999999",
                                   "?follow=2"])
def test_a_wrong_query(api, query):
    assert api.call("get_logs", query=query)[0] == 400


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "99999999999999999999999"])
def test_a_wrong_last_event_id(api, value):
    status, _, raw = api.raw("GET", "/inference/events", headers={"Last-Event-ID": value})
    assert status == 400
    conform(json.loads(raw), "error")


FOREIGN = [{"Host": "evil.example"}, {"Host": "evil.example:8888"},
           {"Host": "127.0.0.1.evil.example"}, {"Host": "10.0.0.1"}, {"Host": ""},
           {"Origin": "http://evil.example"},
           {"Origin": "null"}, {"Origin": "https://localhost.evil.example"},
           {"Origin": "http://127.0.0.1:1"}]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("listener,path", [("control", BASES[0] + "/inference/backend"),
                                           ("control", BASES[1] + "/health/live"),
                                           ("control", "/"), ("gateway", "/v1/models"),
                                           ("gateway", "/health/live")])
def test_foreign_hosts_and_origins_are_refused(api, listener, path, headers):
    own = {"X-Admin-Secret": api.nova.secret()} if listener == "control" else {}
    status, answered, raw = request(getattr(api.nova, listener), "GET", path,
                                    headers={**own, **headers})
    assert status in ((400, 403) if headers == {"Host": ""} else (403,)), raw
    assert "Access-Control-Allow-Origin" not in answered
    if status == 403:
        body = json.loads(raw)
        word = "host_not_allowed" if "Host" in headers else "origin_not_allowed"
        if listener == "control":
            conform(body, "error")
        else:
            body = body["error"]
        assert body["code"] == word


@pytest.mark.parametrize("listener,path", [("control", BASES[0] + "/health/live"),
                                           ("gateway", "/v1/models")])
def test_own_hosts_and_origins_are_welcome(api, listener, path):
    port = getattr(api.nova, listener)
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        headers = {"Host": f"{host}:{port}", "Origin": f"http://{host}:{port}"}
        assert request(port, "GET", path, headers=headers)[0] == 200, host


def test_a_preflight_gets_no_leave(api):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for listener, path in (("gateway", "/v1/chat/completions"),
                           ("control", BASES[0] + "/inference/backend/stop")):
        status, answered, _ = request(getattr(api.nova, listener), "OPTIONS", path, headers=headers)
        assert status >= 400
        assert not any(name.lower().startswith("access-control") for name in answered)
