"""nova dies and comes back: at once, to the same engine, and never to a second one."""
import json
import os
import pathlib
import signal
import threading

import pytest

from fake_llama import FakeLlama, impatient_engine, write_gguf
from nova_fixture import LONG, Nova, request, timed, until

RESTARTS = 20 if LONG else 5
RESTART_LIMIT_S = 1.0
KILLS_WHILE_STARTING = 10 if LONG else 3


class Census:
    """Counts the engines of a nova all the time; the orphans an engine leaves are no engines."""

    def __init__(self, nova):
        self.nova = nova
        self.most = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, len(self.nova.engine_pids()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.fixture
def llama(tmp_path):
    return FakeLlama(tmp_path / "bin")


@pytest.fixture
def model(tmp_path):
    return write_gguf(tmp_path / "small.gguf")


def nova_of(tmp_path, llama, **env):
    nova = Nova(tmp_path / "data", [llama.folder], env)
    impatient_engine(nova.data)
    return nova


def only_engine(nova):
    pids = nova.engine_pids()
    assert len(pids) == 1, f"one engine expected, found {pids}"
    return pids[0]


def kill(nova):
    nova.process.kill()
    nova.process.wait()


def answers(nova, name):
    """True when a chat is answered with 200 right now."""
    body = {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    try:
        return request(nova.gateway, "POST", "/v1/chat/completions", body, timeout=5)[0] == 200
    except OSError:
        return False


def test_from_exec_to_the_first_answer(tmp_path, llama, model):
    with nova_of(tmp_path, llama) as nova:
        nova.start("llamacpp", "--model", model)
        engine, name = only_engine(nova), nova.model()
        times = []
        with Census(nova) as census:
            for _ in range(RESTARTS):
                kill(nova)
                _, seconds = timed(lambda: (nova.spawn(), until(lambda: answers(nova, name), 30,
                                                                "a chat")))
                times.append(seconds)
                assert only_engine(nova) == engine
        print(f"exec to first 200, {RESTARTS} runs: median {sorted(times)[len(times) // 2]:.3f} s, "
              f"maximum {max(times):.3f} s")
        assert census.most == 1
        assert max(times) <= RESTART_LIMIT_S
        operations = json.loads(nova.cli("operations", "--json").stdout)["operations"]
        assert all(row["state"] == "succeeded" for row in operations), operations


def test_killed_while_its_engine_loads(tmp_path, llama, model):
    llama.turn(load_bytes=1_000_000, stall_at_percent=50)
    with nova_of(tmp_path, llama) as nova, Census(nova) as census:
        nova.cli("start", "llamacpp", "--model", model)
        until(nova.engine_pids, 10, "an engine")
        engine = only_engine(nova)
        for _ in range(KILLS_WHILE_STARTING):
            nova.wait_state("starting", seconds=10)
            kill(nova)
            nova.serve()
        assert only_engine(nova) == engine
        llama.turn(load_bytes=1_000_000)
        nova.wait_state("ready", seconds=20)
        assert only_engine(nova) == engine and census.most == 1
        assert nova.chat() == 200
        operations = json.loads(nova.cli("operations", "--json").stdout)["operations"]
        assert [row["state"] for row in operations if row["kind"] == "start"] == ["succeeded"]


@pytest.mark.parametrize("after_ms", range(0, 200, 10 if LONG else 50))
def test_killed_at_any_moment_of_a_start(tmp_path, llama, model, after_ms):
    with nova_of(tmp_path, llama) as nova, Census(nova) as census:
        nova.cli("start", "llamacpp", "--model", model)
        threading.Event().wait(after_ms / 1000)
        kill(nova)
        nova.serve()
        nova.wait_state("ready", seconds=20)
        assert nova.chat() == 200
        only_engine(nova)
    assert census.most <= 1


def test_killed_while_it_stops(tmp_path, llama, model):
    with nova_of(tmp_path, llama) as nova:
        nova.start("llamacpp", "--model", model)
        llama.turn(ignore_sigterm=True)
        nova.cli("stop")
        kill(nova)
        nova.serve()
        nova.wait_state("stopped", seconds=20)
        assert nova.engine_pids() == []


def test_the_engine_died_while_nova_was_dead(tmp_path, llama, model):
    with nova_of(tmp_path, llama) as nova:
        nova.start("llamacpp", "--model", model)
        first = only_engine(nova)
        kill(nova)
        os.kill(first, signal.SIGKILL)
        until(lambda: not nova.engine_pids(), what="the engine's end")
        nova.serve()
        nova.wait_state("ready", seconds=20)
        assert only_engine(nova) != first
        assert nova.chat() == 200


@pytest.mark.parametrize("setting", ["stop", "keep"])
def test_on_exit(tmp_path, llama, model, setting):
    with nova_of(tmp_path, llama, NOVA_ON_EXIT=setting) as nova:
        nova.start("llamacpp", "--model", model)
        engine = only_engine(nova)
        nova.process.terminate()
        assert nova.process.wait(30) == 0
        assert not (nova.data / "runtime.json").exists()
        assert nova.engine_pids() == ([engine] if setting == "keep" else [])
        nova.serve()
        nova.wait_state("ready", seconds=20)
        assert (only_engine(nova) == engine) == (setting == "keep")


def test_an_engine_that_ignores_sigterm(tmp_path, llama, model):
    with nova_of(tmp_path, llama) as nova:
        nova.start("llamacpp", "--model", model)
        llama.turn(ignore_sigterm=True)
        _, seconds = timed(lambda: nova.cli("stop", "--wait"))
        assert nova.engine_pids() == [] and nova.backend()["state"] == "stopped"
        assert seconds < 10


@pytest.mark.parametrize("kind", ["group", "session"])
@pytest.mark.parametrize("adopted", [False, True], ids=["own", "adopted"])
def test_the_child_an_engine_leaves_behind(tmp_path, llama, model, kind, adopted):
    llama.turn(orphan=kind)
    with nova_of(tmp_path, llama) as nova:
        nova.start("llamacpp", "--model", model)
        until(lambda: len(nova.engine_pids()) == 2, 5, "engine and orphan")
        if adopted:
            kill(nova)
            nova.serve()
            nova.wait_state("ready", seconds=20)
            assert len(nova.engine_pids()) == 2
        nova.cli("stop", "--wait")
        assert nova.engine_pids() == []


def test_the_orphan_of_an_engine_that_died_is_swept_before_the_next_start(tmp_path, llama, model):
    llama.turn(orphan="session")
    with nova_of(tmp_path, llama) as nova:
        nova.start("llamacpp", "--model", model)
        until(lambda: len(nova.engine_pids()) == 2, 5, "engine and orphan")
        before = nova.engine_pids()
        llama.turn()
        engine = next(pid for pid in before if b"--orphan-child" not in pathlib.Path(
            f"/proc/{pid}/cmdline").read_bytes())
        os.kill(engine, signal.SIGKILL)
        until(lambda: engine not in nova.engine_pids(), what="the engine's end")
        until(lambda: set(nova.engine_pids()) - set(before), 30, "another engine")
        nova.wait_state("ready", seconds=20)
        assert only_engine(nova) not in before
