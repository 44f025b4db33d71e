"""A switch with both engines beside each other: nobody who asks or streams notices it."""
import collections
import http.client
import json
import shutil
import threading

import pytest

from nova_fixture import LONG, Nova, engine_dir, model_path, request, until

ROUNDS = 20 if LONG else 3
STREAMS = 8
TOKENS = 24
DRAIN_S = 300  # longer than the longest stream, on a busy machine as well


class Streaming:
    """Clients that stream one answer after the other, by each of the names in turn; what did not
    go well is kept."""

    def __init__(self, nova, names):
        self.nova = nova
        self.names = names
        self.answered = collections.Counter()  # by the name that was asked for
        self.bad = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(names[i % len(names)],))
                        for i in range(STREAMS)]

    @property
    def done(self):
        return sum(self.answered.values())

    def _stream(self, name):
        body = {"model": name, "stream": True, "max_tokens": TOKENS,
                "messages": [{"role": "user", "content": "Count to a hundred."}]}
        connection = http.client.HTTPConnection("127.0.0.1", self.nova.gateway, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                return f"HTTP {answer.status}: {text[:200]}"
            if not text.endswith(b"data: [DONE]\n\n") or b'"error"' in text:
                return f"cut: {text[-200:]}"
            said = json.loads(text.partition(b"data: ")[2].partition(b"\n")[0])["model"]
            return None if said == name else f"asked for {name}, answered as {said}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()

    def _run(self, name):
        while not self.over.is_set():
            problem = self._stream(name)
            self.answered[name] += 1
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


def copies(folder, *names):
    """The same weights under these paths."""
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(model_path(), path)
    return paths


@pytest.fixture
def same_file_twice(tmp_path):
    """Two models for nova, one name for clients."""
    return copies(tmp_path, "blue/twin.gguf", "green/twin.gguf")


def operation(nova):
    """The newest one."""
    return json.loads(nova.cli("operations", "--json").stdout)["operations"][0]


def choice(row):
    return next(phase["detail"] for phase in row["phases"] if phase["id"] == "strategy")


SMALL = ("--option", "context=2048")


def take_turns(nova, paths, clients):
    """Switches between the two, ROUNDS times, while the clients stream."""
    until(lambda: clients.done >= STREAMS, 120, "the first answers")
    for turn in range(1, ROUNDS + 1):
        nova.cli("switch", "llamacpp", "--model", paths[turn % 2], *SMALL,
                 "--strategy", "blue-green", "--wait")
        row = operation(nova)
        assert row["state"] == "succeeded", row
        assert choice(row).startswith("blue-green: "), row
        until(lambda: len(nova.engine_pids()) == 1, DRAIN_S, "the old engine's end")
        enough = {name: clients.answered[name] + STREAMS // len(clients.names)
                  for name in clients.names}
        until(lambda wanted=enough: all(clients.answered[n] >= wanted[n] for n in wanted), 120,
              "more answers by each name")
        assert not clients.bad, clients.bad[:3]


def nova_with_llama(tmp_path):
    return Nova(tmp_path / "data", [engine_dir("llamacpp")], {"NOVA_DRAIN_S": str(DRAIN_S)})


def test_rounds_under_streaming_load(tmp_path, same_file_twice):
    with nova_with_llama(tmp_path) as nova:
        nova.start("llamacpp", "--model", same_file_twice[0], *SMALL)
        with Streaming(nova, [nova.model()]) as clients:
            take_turns(nova, same_file_twice, clients)
        print(f"{ROUNDS} rounds, {clients.done} streams: {len(clients.bad)} not answered or cut")
        assert not clients.bad, clients.bad[:3]
        assert len(nova.engine_pids()) == 1


def test_rounds_between_two_names_that_are_aliases_of_each_other(tmp_path):
    paths = copies(tmp_path, "blue.gguf", "green.gguf")
    with nova_with_llama(tmp_path) as nova:
        nova.start("llamacpp", "--model", paths[0], *SMALL)
        blue = nova.model()
        green = blue.replace("blue", "green")
        assert blue != green
        status, _, raw = request(nova.control, "PATCH", "/api/v1/recovery/settings",
                                 {"routing_aliases": f"{blue}={green}, {green}={blue}"},
                                 headers={"X-Admin-Secret": nova.secret()})
        assert status == 200, raw
        with Streaming(nova, [blue, green]) as clients:
            take_turns(nova, paths, clients)
        print(f"{ROUNDS} rounds between two names, {dict(clients.answered)} streams: "
              f"{len(clients.bad)} not answered or cut")
        assert not clients.bad, clients.bad[:3]
        assert min(clients.answered[blue], clients.answered[green]) >= ROUNDS


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
