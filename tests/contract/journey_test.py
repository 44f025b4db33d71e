"""From a wish to its end through the raw API: operation, events, logs, cancel, stop."""
import json
import pathlib

import pytest

from control_api import EventStream
from nova_fixture import request, until


@pytest.fixture(autouse=True)
def nothing_runs(api, llama):
    """Each journey begins and ends with a stopped backend and an engine without faults."""
    llama.turn()
    api.stop()
    yield
    llama.turn()
    api.stop()


def is_ready(name, data):
    return name == "state" and data["state"] == "ready"


def is_stopped(name, data):
    return name == "state" and data["state"] == "stopped"


def last_id(events):
    return max(number for _, number, _ in events if number)


def test_start_look_and_stop(api, nova, model):
    with EventStream(nova) as events:
        name, _, hello = next(events)
        assert name == "hello" and hello["backend"]["state"] == "stopped"
        status, accepted = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
        assert (status, accepted["status"], accepted["backend"]) == (202, "accepted", "llamacpp")
        seen = events.up_to(is_ready)
    operation = api.finished(accepted["operation"])
    assert operation["state"] == "succeeded" and operation["kind"] == "start"
    assert operation["actor"] == "api" and operation["generation"] == accepted["generation"]
    assert all(phase["state"] in ("succeeded", "skipped") for phase in operation["phases"])
    assert not operation["cancel"]["allowed"]
    backend = api.call("get_backend")[1]
    assert backend["backend"] == "llamacpp" and backend["state"] == "ready"
    assert backend["active_model"] == backend["model"] or backend["active_model"]
    assert backend["container_status"]["running"] and "operation" not in backend
    assert [backend["instance"]["pid"]] == nova.engine_pids()
    numbers = [number for _, number, _ in seen if number]
    assert numbers == sorted(set(numbers)), "ids have to rise"
    assert {data["id"] for kind, _, data in seen if kind == "operation"} == {operation["id"]}
    states = [data["state"] for kind, _, data in seen if kind == "state"]
    assert "starting" in states and states[-1] == "ready"
    listed = api.call("list_operations", query="?limit=1")[1]["operations"]
    assert [row["id"] for row in listed] == [operation["id"]]
    assert nova.chat() == 200


def test_two_slots_side_by_side(api, nova, model, tmp_path):
    other = tmp_path / "embedder.gguf"
    other.write_bytes(model.read_bytes())
    try:
        api.start("llamacpp", model=str(model))
        with EventStream(nova) as events:
            _, _, hello = next(events)
            assert [row["slot"] for row in hello["slots"]] == ["local", "embed"]
            embedding = api.start("llamacpp", model=str(other), slot="embed")
            seen = events.up_to(is_ready)
        assert embedding["state"] == "succeeded" and embedding["slot"] == "embed"
        assert {data["slot"] for kind, _, data in seen if kind in ("state", "operation")} == \
            {"embed"}
        local, embed = api.call("list_slots")[1]["slots"]
        assert (local["state"], embed["state"]) == ("ready", "ready")
        assert len(nova.engine_pids()) == 2
        assert api.call("get_backend", query="?slot=embed")[1] == embed
        assert api.call("get_logs", query="?slot=embed&tail=5")[0] == 200
        rows = api.call("list_operations", query="?slot=embed")[1]["operations"]
        assert rows[0]["id"] == embedding["id"] and {row["slot"] for row in rows} == {"embed"}
        for name, body, query in (("get_backend", None, "?slot=x"), ("get_logs", None, "?slot=x"),
                                  ("list_operations", None, "?slot=x"),
                                  ("stop_backend", {"slot": "x"}, "")):
            status, refused = api.call(name, body, query=query)
            assert (status, refused["code"]) == (404, "slot_not_found"), name
    finally:
        _, accepted = api.call("stop_backend", {"slot": "embed"})
        api.finished(accepted["operation"])
    assert len(nova.engine_pids()) == 1
    assert api.call("get_backend")[1]["state"] == "ready"


def test_the_same_wish_twice(api, llama, model):
    llama.turn(load_bytes=1_000_000, stall_at_percent=50)
    status, first = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    assert status == 202
    status, again = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    assert (status, again["status"], again["operation"]) == (200, "unchanged", first["operation"])
    llama.turn()
    assert api.finished(first["operation"])["state"] == "succeeded"
    status, ready = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    assert (status, ready["status"]) == (200, "unchanged")
    assert api.call("stop_backend")[0] == 202
    until(lambda: api.call("get_backend")[1]["state"] == "stopped", 15, "the stop")
    status, stopped = api.call("stop_backend")
    assert (status, stopped["status"]) == (200, "unchanged")


def test_a_start_after_one_that_was_stopped_halfway(api, llama, model, tmp_path):
    fresh = tmp_path / "fresh.gguf"  # it never was ready
    fresh.write_bytes(model.read_bytes())
    llama.turn(load_bytes=1_000_000, stall_at_percent=50)
    _, first = api.call("start_backend", {"model": str(fresh)}, backend="llamacpp")
    until(lambda: api.call("get_backend")[1]["state"] == "starting", 10, "starting")
    until(api.nova.engine_pids, 10, "an engine")
    api.stop()
    assert api.finished(first["operation"])["state"] in ("superseded", "cancelled")
    llama.turn()
    operation = api.start("llamacpp", model=str(fresh))
    assert operation["state"] == "succeeded", operation


def test_an_event_stream_that_is_left_is_no_error(api, nova):
    before = nova.log().count(" error ")
    with EventStream(nova) as events:
        assert next(events)[0] == "hello"
    api.call("get_backend")
    api.stop()
    assert nova.log().count(" error ") == before, nova.log()[-1000:]


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_stream_of_events_goes_on_where_it_ended(api, nova, model, way):
    with EventStream(nova) as live:
        api.start("llamacpp", model=str(model))
        first = live.up_to(is_ready)
        api.stop()
        second = live.up_to(is_stopped)
    middle = last_id(first)
    again = EventStream(nova, last_event_id=middle) if way == "header" else EventStream(
        nova, query=f"?last_event_id={middle}")
    with again:
        assert next(again)[0] == "hello"
        replayed = again.up_to(lambda name, data: is_stopped(name, data))
    kept = [event for event in second if event[1]]
    assert [event for event in replayed if event[1]][:len(kept)] == kept
    assert all(number > middle for _, number, _ in replayed if number)


def test_events_from_the_very_first(api, nova, model):
    api.start("llamacpp", model=str(model))
    with EventStream(nova, last_event_id=0) as events:
        next(events)
        seen = events.up_to(is_ready)
    assert [number for _, number, _ in seen if number][0] >= 1


def test_logs(api, nova, model):
    api.start("llamacpp", model=str(model))
    status, text = api.call("get_logs", query="?tail=2")
    assert status == 200 and len(text.splitlines()) == 2
    whole = api.call("get_logs")[1]
    assert "model loaded" in whole and whole.endswith(text)
    environment = pathlib.Path(f"/proc/{nova.engine_pids()[0]}/environ").read_bytes().split(b"\0")
    key = next(entry for entry in environment if entry.startswith(b"LLAMA_API_KEY="))
    assert key.split(b"=")[1].decode() not in whole
    assert nova.secret() not in whole
    assert not any(nova.secret().encode() in entry for entry in environment)
    api.stop()
    assert "model loaded" in api.call("get_logs")[1], "the previous run's log stays"


def test_an_engine_that_cannot_start(api, llama, model):
    llama.turn(start_exit_code=1, log_text="ggml_paper: no more paper")
    status, accepted = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    assert status == 202
    operation = api.finished(accepted["operation"])
    assert operation["state"] == "failed"
    assert "no more paper" in operation["error"]["log_excerpt"]
    backend = api.call("get_backend")[1]
    assert backend["state"] in ("error", "starting") and backend["attempts"] >= 1
    assert backend["error"]["detail"]
    assert api.call("get_ready")[0] == 503


def test_cancel(api, nova, llama, model):
    llama.turn(load_bytes=1_000_000, stall_at_percent=50)
    _, accepted = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    until(nova.engine_pids, 10, "an engine")
    running = api.call("get_operation", id=accepted["operation"])[1]
    assert running["state"] == "running" and running["cancel"]["allowed"]
    status, answer = api.call("cancel_operation", id=accepted["operation"])
    assert (status, answer["operation"]) == (202, accepted["operation"])
    assert api.finished(accepted["operation"])["state"] == "cancelled"
    until(lambda: api.call("get_backend")[1]["state"] == "stopped", 15, "stopped")
    assert nova.engine_pids() == []
    status, refused = api.call("cancel_operation", id=accepted["operation"])
    assert status == 409 and refused["detail"]


def test_a_newer_wish_supersedes(api, llama, model, tmp_path):
    llama.turn(load_bytes=1_000_000, stall_at_percent=50)
    other = tmp_path / "other.gguf"
    other.write_bytes(model.read_bytes())
    _, first = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    _, second = api.call("start_backend", {"model": str(other)}, backend="llamacpp")
    assert second["generation"] > first["generation"]
    llama.turn()
    assert api.finished(first["operation"])["state"] == "superseded"
    assert api.finished(second["operation"])["state"] == "succeeded"
    assert "other" in api.call("get_backend")[1]["active_model"]


def test_switch_model(api, nova, model, tmp_path):
    api.start("llamacpp", model=str(model), options={"context": 2048})
    other = tmp_path / "other.gguf"
    other.write_bytes(model.read_bytes())
    status, accepted = api.call("switch_model", {"model": str(other)}, backend="llamacpp")
    assert status == 202
    assert api.finished(accepted["operation"])["state"] == "succeeded"
    until(lambda: len(nova.engine_pids()) == 1, 30, "the old engine's end")
    argv = pathlib.Path(f"/proc/{nova.engine_pids()[0]}/cmdline").read_bytes().split(b"\0")
    assert str(other).encode() in argv and b"2048" in argv, "the options stay"
    assert nova.chat() == 200


def test_health_tells_the_truth(api, nova, llama, model):
    assert api.call("get_ready")[0] == 503
    assert nova.get("/health/ready")[0] == 503
    llama.turn(load_bytes=1_000_000, stall_at_percent=50)
    _, accepted = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    until(lambda: api.call("get_backend")[1]["state"] == "starting", 10, "starting")
    assert nova.get("/health/ready")[0] == 503
    asked = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}
    status, headers, raw = nova.post("/v1/chat/completions", asked)
    assert status == 503 and int(headers["Retry-After"]) >= 1, raw
    body = json.loads(raw)
    assert body["error"]["message"] and body["error"]["type"] and "phase" in body["loading"]
    llama.turn()
    assert api.finished(accepted["operation"])["state"] == "succeeded"
    assert api.call("get_ready")[0] == 200
    assert nova.get("/health/ready")[0] == 200
    for port in (nova.gateway, nova.control):
        live = "/health/live"
        assert request(port, "GET", live)[0] == 200
