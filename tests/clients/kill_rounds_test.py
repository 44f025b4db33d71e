"""nova is killed at many instants of a start, a switch, a drain, a roll-back and a stop."""
import collections
import http.client
import json
import threading

import pytest

from fake_llama import FakeLlama, impatient_engine, write_gguf
from nova_fixture import LONG, Nova, engine_dir, model_path, request, timed, until

OPERATIONS = "/recovery-api/api/v1/recovery/inference/operations?limit=200"
FINISHED = ("succeeded", "failed", "cancelled", "superseded", "rolled_back")
# Of a switch, both ways: the old side leaves first, or both run for a while.
SCENARIOS = [("start", "drain"), ("stop", "drain"),
             *((scenario, way) for scenario in ("switch", "drain", "roll_back")
               for way in ("drain", "blue-green"))]
MOST = {"drain": 1, "blue-green": 2}
INSTANTS = 23 if LONG else 3  # of each scenario on the fake engine
LLAMA_INSTANTS = 5 if LONG else 1  # of a switch and of a roll-back, each both ways
SETTLE_SECONDS = 60


class Rounds:
    """A nova that is killed again and again, and what has to hold after each time."""

    def __init__(self, nova, good, broken, way):
        self.nova = nova
        self.way = way  # strategy of the switches
        self.good = list(good)  # two models that work; the first one runs
        self.broken = broken
        self.outcomes = {}  # of every operation ever seen: it never changes
        self.caught = collections.Counter()  # what was going on when the kill came
        self.most = 0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self._count_engines)

    def __enter__(self):
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.watcher.join()

    def _count_engines(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, len(self.nova.engine_pids()))

    def ask(self, path, body):
        status, _, answer = request(
            self.nova.control, "POST", f"/api/v1/recovery/inference/backend/{path}", body,
            headers={"X-Admin-Secret": self.nova.secret()}, timeout=10)
        assert status in (200, 202), answer
        return json.loads(answer)["operation"]

    def operations(self):
        status, _, answer = request(self.nova.control, "GET", OPERATIONS,
                                    headers={"X-Admin-Secret": self.nova.secret()})
        assert status == 200, answer
        rows = json.loads(answer)["operations"]
        for row in rows:
            if row["state"] in FINISHED:
                known = self.outcomes.setdefault(row["id"], row["state"])
                assert known == row["state"], f"{row['id']} was {known}, is {row['state']}"
        return {row["id"]: row for row in rows}

    def settled(self):
        rows = self.operations()
        if all(row["state"] in FINISHED for row in rows.values()):
            state = self.nova.backend()["state"]
            return rows if state in ("ready", "stopped", "error") else None
        return None

    def settle(self):
        return until(self.settled, SETTLE_SECONDS, "a settled nova")

    def serving(self, model):
        """nova runs this model, one engine of it, and it answers."""
        backend = self.nova.backend()
        assert (backend["state"], backend["phase"]) == ("ready", "ready"), backend
        assert str(backend["model"]) == str(model), (backend["model"], model)
        # The operation of a switch without a gap ends before its old side does.
        until(lambda: len(self.nova.engine_pids()) == 1, 20, "one engine")
        assert self.nova.chat(max_tokens=1) == 200

    def back_to(self, model):
        """An undisturbed start of that model; nothing when it runs."""
        self.ask("llamacpp/start", {"model": str(model), "strategy": "drain"})
        self.settle()
        self.serving(model)

    def wish(self, scenario):
        if scenario == "stop":
            return self.ask("stop", {})
        wanted = self.broken if scenario == "roll_back" else self.good[1]
        return self.ask("llamacpp/start", {"model": str(wanted), "strategy": self.way})

    def prepare(self, scenario):
        """Where the scenario starts from; the stream that runs meanwhile, if it has one."""
        if scenario == "start":
            self.ask("stop", {})
            self.settle()
            return None
        self.back_to(self.good[0])
        if scenario != "drain":
            return None
        stream = threading.Thread(target=self._stream)
        stream.start()
        until(lambda: self.nova.inflight()["local_inflight"] > 0, 10, "a running stream")
        return stream

    def _stream(self):
        body = {"model": self.nova.model(), "max_tokens": 40, "stream": True,
                "messages": [{"role": "user", "content": "hi"}]}
        try:
            request(self.nova.gateway, "POST", "/v1/chat/completions", body, timeout=30)
        except (OSError, http.client.HTTPException):
            pass  # nova was killed

    def length(self, scenario):
        """Seconds the scenario takes when nothing disturbs it."""
        stream = self.prepare(scenario)
        _, seconds = timed(lambda: (self.wish(scenario), self.settle()))
        if stream:
            stream.join()
        return seconds

    def kill_after(self, scenario, seconds):
        stream = self.prepare(scenario)
        before = set(self.operations())
        operation = self.wish(scenario)
        threading.Event().wait(seconds)
        self.nova.process.kill()
        self.nova.process.wait()
        if stream:
            stream.join()
        self.nova.serve()
        rows = self.settle()
        assert operation in rows, "an accepted operation is gone"
        assert [key for key, row in rows.items() if key not in before
                and row["kind"] in ("start", "stop", "switch")] == [operation]
        self.check(scenario, rows[operation])

    def check(self, scenario, row):
        self.caught[f"{scenario} {row['state']}"] += 1
        if scenario == "stop":
            assert row["state"] == "succeeded", row
            assert self.nova.backend()["state"] == "stopped" and self.nova.engine_pids() == []
        elif scenario == "roll_back":
            assert row["state"] == "rolled_back" and row["error"]["detail"], row
            self.serving(self.good[0])
        else:
            assert row["state"] == "succeeded", row
            self.serving(self.good[1])

    def run(self, scenario, instants):
        whole = self.length(scenario)
        for index in range(instants):
            self.kill_after(scenario, whole * 1.1 * index / instants)
        print(f"{scenario} ({self.way}): {instants} kills over {whole:.2f} s")


@pytest.mark.parametrize(("scenario", "way"), SCENARIOS)
def test_killed_at_any_instant(tmp_path, scenario, way):
    good = [write_gguf(tmp_path / "a.gguf"), write_gguf(tmp_path / "b.gguf")]
    broken = write_gguf(tmp_path / "broken.gguf")
    llama = FakeLlama(tmp_path / "bin", start_delay_ms=60, load_bytes=1_000_000, load_mb_per_s=10,
                      stop_delay_ms=60, tokens=40, tokens_per_s=80, refuse_flag=str(broken))
    nova = Nova(tmp_path / "data", [llama.folder])
    impatient_engine(nova.data)
    with nova, Rounds(nova, good, broken, way) as rounds:
        rounds.back_to(good[0])
        rounds.run(scenario, INSTANTS)
        print(dict(rounds.caught), f"most engines at once: {rounds.most}")
    assert rounds.most <= MOST[way]
    assert nova.engine_pids() == []


@pytest.mark.parametrize("way", MOST)
def test_killed_at_any_instant_on_llama_cpp(tmp_path, way):
    good = [tmp_path / "a.gguf", tmp_path / "b.gguf"]
    for path in good:
        path.symlink_to(model_path())
    broken = write_gguf(tmp_path / "broken.gguf")  # llama.cpp refuses a model without a tokenizer
    with (Nova(tmp_path / "data", [engine_dir("llamacpp")]) as nova,
          Rounds(nova, good, broken, way) as rounds):
        rounds.back_to(good[0])
        for scenario in ("switch", "roll_back"):
            rounds.run(scenario, LLAMA_INSTANTS)
        print(dict(rounds.caught), f"most engines at once: {rounds.most}")
    assert rounds.most <= MOST[way]
    assert nova.engine_pids() == []
