"""nova is killed while it pulls, creates, starts and stops; by label it finds the truth."""
import json
import subprocess
import time

import pytest

from docker_fixture import DockerNova, Wire, request, until
from fake_llama import write_gguf
from journey_test import FINISHED, OPERATIONS
from nova_fixture import BACKEND, LONG, timed

ROUNDS = 25 if LONG else 2  # of each scenario: a hundred in all by night


class Killed:
    def __init__(self, nova, model):
        self.nova, self.model = nova, str(model)

    def mine(self):
        install = (self.nova.data / "install-id").read_text().strip()
        return self.nova.daemon.docker(
            "ps", "-a", "--filter", f"label=nova.install={install}", "--format",
            "{{.Names}} {{.State}}").splitlines()

    def wish(self, path, body):
        status, _, answer = request(self.nova.control, "POST", f"{BACKEND}/{path}", body,
                                    headers={"X-Admin-Secret": self.nova.secret()}, timeout=20)
        assert status in (200, 202), answer
        return json.loads(answer)["operation"]

    def settled(self):
        status, _, answer = request(self.nova.control, "GET", OPERATIONS,
                                    headers={"X-Admin-Secret": self.nova.secret()})
        assert status == 200, answer
        rows = json.loads(answer)["operations"]
        state = self.nova.backend()["state"]
        done = all(row["state"] in FINISHED for row in rows) and state in ("ready", "stopped")
        return {row["id"]: row for row in rows} if done else None

    def start(self):
        return self.wish("llamacpp/start", {"model": self.model})

    def stop(self):
        return self.wish("stop", {})

    def settle(self):
        return until(self.settled, 90, "a settled nova")

    def timed(self, wish):
        """Seconds from the wish until all is done."""
        return timed(lambda: (wish(), self.settle()))[1]

    def timed_until_run(self, wish):
        """Seconds from the wish until Docker says that the container it created runs."""
        began = time.time()
        wish()
        self.settle()
        lines = self.nova.daemon.docker(
            "events", "--since", f"{began:.3f}", "--until", f"{time.time():.3f}", "--filter",
            "type=container", "--format", "{{.Action}} {{.TimeNano}}").splitlines()
        at = {action: int(nanos) / 1e9 - began for action, nanos in map(str.split, lines)}
        assert 0 < at["create"] < at["start"], lines
        return at["start"]

    def round(self, wish, seconds):
        key = wish()
        try:
            self.nova.process.wait(seconds)
            raise AssertionError("nova ended by itself")
        except subprocess.TimeoutExpired:
            pass
        self.nova.process.kill()
        self.nova.process.wait()
        self.nova.serve()
        rows = self.settle()
        assert rows[key]["state"] == "succeeded", rows[key]
        document = self.nova.agree()
        if document["state"] == "ready":
            assert self.mine() == [f"{document['instance']['name']} running"]
            assert self.nova.chat() == 200
        else:
            assert self.mine() == []


@pytest.mark.parametrize("scenario", ["pull", "create", "start", "stop"])
def test_killed_at_any_instant(tmp_path, clean, registry, fakes, scenario):
    wire = Wire(registry.port)
    wire.rate = 6_000_000
    image = wire.name("llamacpp")
    with DockerNova(tmp_path / "data", clean, {"llamacpp": image}) as nova:
        rounds = Killed(nova, write_gguf(tmp_path / "a.gguf"))

        def begin():
            rounds.start() if scenario == "stop" else rounds.stop()
            rounds.settle()
            if scenario == "pull":
                clean.docker("rmi", "-f", *set(clean.docker("images", "-q").split()), check=False)

        wish = rounds.stop if scenario == "stop" else rounds.start
        rounds.start()
        rounds.settle()
        begin()
        whole = rounds.timed_until_run(wish) if scenario == "create" else rounds.timed(wish)
        for index in range(ROUNDS):
            begin()
            rounds.round(wish, whole * (index + 0.5) / ROUNDS)
        print(f"{scenario}: {ROUNDS} kills over {whole:.2f} s")
        nova.cli("stop", "--wait")
        assert rounds.mine() == []
    wire.close()
