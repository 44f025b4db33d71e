"""A switch with both engines beside each other: nobody who asks or streams notices it."""
import http.client
import json
import shutil
import threading

import pytest

from nova_fixture import LONG, Nova, engine_dir, model_path, until

ROUNDS = 20 if LONG else 3
STREAMS = 8
TOKENS = 24
DRAIN_S = 300  # longer than the longest stream, on a busy machine as well


class Streaming:
    """Clients that stream one answer after the other; what did not go well is kept."""

    def __init__(self, nova, model):
        self.nova = nova
        self.model = model
        self.done = 0
        self.bad = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(STREAMS)]

    def _stream(self):
        body = {"model": self.model, "stream": True, "max_tokens": TOKENS,
                "messages": [{"role": "user", "content": "Count to a hundred."}]}
        connection = http.client.HTTPConnection("127.0.0.1", self.nova.gateway, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                return f"HTTP {answer.status}: {text[:200]}"
            return None if text.endswith(b"data: [DONE]\n\n") else f"cut: {text[-200:]}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()

    def _run(self):
        while not self.over.is_set():
            problem = self._stream()
            self.done += 1
            if problem:
                self.bad.append(problem)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def same_file_twice(tmp_path):
    """Two models for nova, one name for clients."""
    paths = []
    for side in ("blue", "green"):
        folder = tmp_path / side
        folder.mkdir()
        shutil.copy(model_path(), folder / "twin.gguf")
        paths.append(folder / "twin.gguf")
    return paths


def operation(nova):
    """The newest one."""
    return json.loads(nova.cli("operations", "--json").stdout)["operations"][0]


def choice(row):
    return next(phase["detail"] for phase in row["phases"] if phase["id"] == "strategy")


def test_rounds_under_streaming_load(tmp_path, same_file_twice):
    small = ("--option", "context=2048")
    patient = {"NOVA_DRAIN_S": str(DRAIN_S)}
    with Nova(tmp_path / "data", [engine_dir("llamacpp")], patient) as nova:
        nova.start("llamacpp", "--model", same_file_twice[0], *small)
        with Streaming(nova, nova.model()) as clients:
            until(lambda: clients.done >= STREAMS, 120, "the first answers")
            for turn in range(1, ROUNDS + 1):
                before = clients.done
                nova.cli("switch", "llamacpp", "--model", same_file_twice[turn % 2], *small,
                         "--strategy", "blue-green", "--wait")
                row = operation(nova)
                assert row["state"] == "succeeded", row
                assert choice(row).startswith("blue-green: "), row
                until(lambda: len(nova.engine_pids()) == 1, DRAIN_S, "the old engine's end")
                until(lambda count=before: clients.done >= count + STREAMS, 120, "more answers")
                assert not clients.bad, clients.bad[:3]
        print(f"{ROUNDS} rounds, {clients.done} streams: {len(clients.bad)} not answered or cut")
        assert not clients.bad, clients.bad[:3]
        assert len(nova.engine_pids()) == 1


def test_a_broken_file_leaves_the_old_engine_alone(tmp_path, same_file_twice):
    blue, green = same_file_twice
    with Nova(tmp_path / "data", [engine_dir("llamacpp")]) as nova:
        nova.start("llamacpp", "--model", blue, "--option", "context=2048")
        before = nova.engine_pids()
        # Sound at its head, so that it is tried; the engine refuses what the flag asks for.
        done = nova.cli("switch", "llamacpp", "--model", green, "--option", "context=2048",
                        "--option", "flag.cache-type-k=nonsense", "--wait", check=False)
        assert done.returncode == 10, done.stderr
        assert operation(nova)["state"] == "rolled_back"
        assert nova.backend()["state"] == "ready"
        assert nova.engine_pids() == before
        assert nova.chat() == 200
