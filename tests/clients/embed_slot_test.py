"""Chat on one engine and embeddings on another, side by side and independent of each other."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import threading

import pytest

from nova_fixture import (LONG, FakeEngine, Nova, engine_dir, model_path, processes_with,
                          request, until)

SLOTS = "/recovery-api/api/v1/recovery/inference/slots"
EMBEDDER = "small-embedder"
ROUNDS = 5 if LONG else 2
KILLS = 10 if LONG else 3


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """The small model under a name of its own, so that an answer tells which engine it is from."""
    path = tmp_path_factory.mktemp("models") / f"{EMBEDDER}.gguf"
    shutil.copy(model_path(), path)
    return path


@pytest.fixture
def nova(tmp_path, embedder):
    """Both slots ready: chat on llama.cpp, embeddings on a second one."""
    with Nova(tmp_path / "data", [engine_dir("llamacpp"), engine_dir("ollama")]) as running:
        running.start("llamacpp", "--model", model_path())
        running.cli("start", "llamacpp", "--slot", "embed", "--model", embedder, "--wait")
        yield running


def slots(nova):
    """{name: status} of both slots."""
    status, _, body = request(nova.control, "GET", SLOTS,
                              headers={"X-Admin-Secret": nova.secret()})
    assert status == 200, body
    return {row["slot"]: row for row in json.loads(body)["slots"]}


def pids(nova):
    """{slot: pid} of the engines that run, from the markers in their environments."""
    install = (nova.data / "install-id").read_text().strip()
    found = {}
    for slot in ("local", "embed"):
        running = processes_with(f"{install}/{slot}/")
        assert len(running) <= 1, f"engines in slot {slot}: {running}"
        if running:
            found[slot] = running[0]
    return found


def wait_ready(nova, seconds=120):
    until(lambda: all(row["state"] == "ready" for row in slots(nova).values()), seconds,
          "both slots ready")


def embed(nova, model=EMBEDDER, text="one two three"):
    status, headers, body = nova.post("/v1/embeddings", {"model": model, "input": text})
    return status, headers, json.loads(body)


def chat(nova, model):
    body = {"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]}
    return nova.post("/v1/chat/completions", body)[0]


class Embeddings:
    """Asks for embeddings all the time; every answer has to be one, and the same one."""

    def __init__(self, nova, workers=2):
        self.nova = nova
        self.over = threading.Event()
        self.faults = []
        self.answered = 0
        self.expected = embed(nova)[2]["data"][0]["embedding"]
        self.threads = [threading.Thread(target=self._run) for _ in range(workers)]

    def _run(self):
        while not self.over.is_set():
            try:
                status, headers, body = embed(self.nova)
                if status != 200 or headers["X-Nova-Provider"] != "llamacpp":
                    self.faults.append((status, body))
                elif max(abs(a - b) for a, b in zip(body["data"][0]["embedding"], self.expected,
                                                    strict=True)) > 1e-3:
                    self.faults.append("another model's vector")
                self.answered += 1
            except OSError as error:
                self.faults.append(repr(error))

    def more(self, count):
        """Waits until so many more were answered."""
        goal = self.answered + count
        until(lambda: self.answered >= goal or self.faults, 120, f"{count} more embeddings")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_embeddings_through_switches_of_the_chat_backend(nova):
    small = slots(nova)["local"]["active_model"]
    before = pids(nova)
    assert set(before) == {"local", "embed"}
    with FakeEngine("--alias", "fake-model") as engine, Embeddings(nova) as embeddings:
        for _ in range(ROUNDS):
            embeddings.more(2)
            nova.start("ollama", "--model", model_path())
            assert chat(nova, slots(nova)["local"]["active_model"]) == 200
            embeddings.more(2)
            nova.start("custom", "--url", engine.url + "/v1")
            assert chat(nova, "fake-model") == 200
            embeddings.more(2)
            nova.start("llamacpp", "--model", model_path())
            assert chat(nova, small) == 200
            embeddings.more(2)
        nova.cli("stop", "--wait")
        embeddings.more(2)
    assert not embeddings.faults, embeddings.faults[:5]
    print(f"{embeddings.answered} embeddings through {3 * ROUNDS} switches and a stop, none failed")
    after = pids(nova)
    assert after == {"embed": before["embed"]}, "the embedding engine was never touched"


def test_what_goes_where(nova):
    small = slots(nova)["local"]["active_model"]
    listed = [row["id"] for row in json.loads(nova.get("/v1/models")[2])["data"]]
    assert listed == [small, EMBEDDER]
    assert nova.get(f"/v1/models/{EMBEDDER}")[0] == 200
    status, headers, body = embed(nova)
    assert status == 200 and headers["X-Nova-Provider"] == "llamacpp", body
    assert embed(nova, small)[0] == 200  # llama.cpp as nova starts it makes both
    status, _, body = embed(nova, "nobody")
    assert status == 404 and body["error"]["code"] == "model_not_found"
    assert EMBEDDER in body["error"]["message"]
    status, _, raw = nova.post("/v1/chat/completions", {
        "model": EMBEDDER, "messages": [{"role": "user", "content": "hi"}]})
    assert status == 400 and "embedding model" in json.loads(raw)["error"]["message"]
    # A chat backend that was told not to: its model's embeddings come from the other slot.
    nova.start("llamacpp", "--model", model_path(), "--option", "embeddings=off")
    status, _, body = embed(nova, small)
    assert status == 200, body
    assert body["data"][0]["embedding"]
    assert chat(nova, small) == 200


def test_each_slot_is_stopped_by_its_name(nova):
    nova.cli("stop", "--slot", "embed", "--wait")
    assert set(pids(nova)) == {"local"}
    states = {name: row["state"] for name, row in slots(nova).items()}
    assert states == {"local": "ready", "embed": "stopped"}
    assert embed(nova)[0] == 404
    assert nova.chat() == 200
    nova.cli("start", "llamacpp", "--slot", "embed", "--wait")  # the last one of that slot
    assert embed(nova)[0] == 200
    nova.cli("stop", "--wait")
    assert set(pids(nova)) == {"embed"}
    assert embed(nova)[0] == 200
    assert nova.get("/health/ready")[0] == 200, "embeddings can be answered"
    shown = nova.cli("status").stdout
    assert "embed: llamacpp" in shown and "no backend: stopped" in shown, shown
    assert "llama" in nova.cli("logs", "--slot", "embed").stdout
    operations = json.loads(nova.cli("operations", "--json").stdout)["operations"]
    assert {row["slot"] for row in operations} == {"local", "embed"}
    nova.cli("stop", "--slot", "embed", "--wait")
    assert nova.engine_pids() == []
    assert nova.get("/health/ready")[0] == 503


def test_kill_9_of_nova_adopts_both(nova):
    before = pids(nova)
    for _ in range(KILLS):
        nova.process.kill()
        nova.process.wait()
        nova.serve()
        wait_ready(nova)
        assert pids(nova) == before
        assert nova.chat() == 200 and embed(nova)[0] == 200


@pytest.mark.parametrize("killed,other", [("local", "embed"), ("embed", "local")])
def test_kill_9_of_one_engine_leaves_the_other(nova, killed, other):
    before = pids(nova)
    os.kill(before[killed], signal.SIGKILL)
    until(lambda: pids(nova).get(killed, before[killed]) != before[killed], 60, "another engine")
    wait_ready(nova)
    assert pids(nova)[other] == before[other]
    assert nova.chat() == 200 and embed(nova)[0] == 200


def test_strays_of_one_slot_are_swept_without_the_other(nova):
    """nova comes back with one slot's wish gone: only that slot's engine is a stray."""
    before = pids(nova)
    nova.process.kill()
    nova.process.wait()
    with contextlib.closing(sqlite3.connect(nova.data / "nova.db")) as database, database:
        gone = database.execute("DELETE FROM doc WHERE key = 'slot/local/state'").rowcount
    assert gone == 1
    nova.serve()
    until(lambda: pids(nova) == {"embed": before["embed"]}, 30, "the sweep")
    until(lambda: slots(nova)["embed"]["state"] == "ready", 30, "the embed slot")
    # The process is gone a moment before nova's recovery has seen that.
    until(lambda: slots(nova)["local"]["state"] == "stopped", 30, "the end of the recovery")
    assert embed(nova)[0] == 200


def test_the_slot_takes_a_server_that_runs_already(tmp_path):
    """custom in the slot embed, and a chat engine that makes no embeddings."""
    with FakeEngine("--alias", "outside-embedder", "--embeddings") as engine, \
            FakeEngine("--alias", "chatty") as talker, Nova(tmp_path / "data") as nova:
        nova.start("custom", "--url", talker.url + "/v1")
        nova.cli("start", "custom", "--slot", "embed", "--url", engine.url + "/v1", "--wait")
        assert embed(nova, "outside-embedder")[0] == 200
        assert chat(nova, "chatty") == 200
        assert nova.cli("start", "vllm", "--slot", "embed", "--model", "org/x",
                        check=False).returncode == 2
        assert embed(nova, "outside-embedder")[0] == 200
