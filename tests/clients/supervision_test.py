"""Hung engines are replaced, busy ones left alone, loads watched, idle engines put away."""
import http.client
import json
import os
import pathlib
import signal
import threading
import time

import pytest

from fake_llama import FakeLlama, write_gguf
from nova_fixture import LONG, ROOT, Nova, engine_dir, model_path, timed, until

INTERVAL_S = 2 if LONG else 1
STRIKES = 3
# A look that began before the fault may still end well, and the last one has its own deadline.
PROMISED_S = (STRIKES + 1) * INTERVAL_S + INTERVAL_S
MARGIN_S = 30
QUICK = {"NOVA_PROBE_INTERVAL_S": str(INTERVAL_S), "NOVA_PROBE_STRIKES": str(STRIKES)}
BUSY_S = 180 if LONG else 1.5 * PROMISED_S


def engine_data(data, **changes):
    """Overrides llama.cpp's data for one nova."""
    spec = json.loads((ROOT / "data" / "engines" / "llamacpp.json").read_text())
    folder = pathlib.Path(data) / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "llamacpp.json").write_text(json.dumps({**spec, **changes}))


@pytest.fixture
def llama(tmp_path):
    return FakeLlama(tmp_path / "bin")


@pytest.fixture
def model(tmp_path):
    return write_gguf(tmp_path / "tiny.gguf")


def only_engine(nova):
    pids = nova.engine_pids()
    assert len(pids) == 1, f"one engine expected, found pids {pids}"
    return pids[0]


def gone(nova, before):
    """Seconds until the engine has ended, in the time the settings promise."""
    return timed(lambda: until(lambda: before not in nova.engine_pids(), PROMISED_S + MARGIN_S,
                               "the end of the hung engine"))[1]


def ready_again(nova):
    until(lambda: nova.engine_pids() and nova.backend()["state"] == "ready", 120, "ready again")


def test_an_engine_stopped_by_sigstop_is_replaced_in_the_time_promised(tmp_path):
    # Its grace is longer than the test waits: a stopped process takes no notice of SIGTERM.
    engine_data(tmp_path / "data", grace_s=600)
    with Nova(tmp_path / "data", [engine_dir("llamacpp")], env=QUICK) as nova:
        nova.start("llamacpp", "--model", model_path())
        before = only_engine(nova)
        os.kill(before, signal.SIGSTOP)
        seconds = gone(nova, before)
        ready_again(nova)
        print(f"stopped engine gone after {seconds:.1f} s, promised {PROMISED_S} s")
        assert nova.chat() == 200


class Reader(threading.Thread):
    """A client that streams until it is told to stop."""

    def __init__(self, nova):
        super().__init__(daemon=True)
        self.pieces = 0
        self.done = False
        self.failure = None
        self.connection = http.client.HTTPConnection("127.0.0.1", nova.gateway, timeout=60)
        body = {"model": nova.model(), "stream": True, "max_tokens": 1_000_000,
                "messages": [{"role": "user", "content": "hi"}]}
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body),
                                {"Content-Type": "application/json"})
        self.start()

    def run(self):
        try:
            answer = self.connection.getresponse()
            assert answer.status == 200, answer.status
            while not self.done:
                assert answer.readline(), "the stream ended"
                self.pieces += 1
        except (OSError, AssertionError, http.client.HTTPException) as failure:
            self.failure = failure
        finally:
            self.connection.close()


@pytest.mark.parametrize("evidence", ["counters", "bytes"])
def test_a_busy_engine_whose_health_hangs_is_left_alone(tmp_path, llama, model, evidence):
    flow = {"tokens": 1_000_000, "tokens_per_s": 20, "no_metrics": evidence == "bytes"}
    llama.turn(**flow)
    with Nova(tmp_path / "data", [llama.folder], env=QUICK) as nova:
        nova.start("llamacpp", "--model", model)
        before = only_engine(nova)
        reader = Reader(nova)
        until(lambda: reader.pieces > 3, what="the stream")
        llama.turn(**flow, health_hang=True)
        end = time.monotonic() + BUSY_S
        while time.monotonic() < end:
            seen = reader.pieces
            until(lambda: reader.pieces > seen + 10 or reader.failure, 30, "more of the stream")
            assert reader.failure is None
            assert nova.engine_pids() == [before]
            assert nova.backend()["state"] == "ready"
        # Nothing flows any more and health still hangs: now it is dead.
        reader.done = True
        reader.join()
        gone(nova, before)
        llama.turn(**flow)
        ready_again(nova)


def test_an_engine_that_computes_nothing_is_found_by_its_canary(tmp_path, llama, model):
    canary = {"NOVA_CANARY_INTERVAL_S": "1", "NOVA_CANARY_LIMIT_S": "1"}
    with Nova(tmp_path / "data", [llama.folder], env={**QUICK, **canary}) as nova:
        nova.start("llamacpp", "--model", model)
        before = only_engine(nova)
        llama.turn(head_delay_ms=600_000)
        gone(nova, before)
        llama.turn()
        ready_again(nova)
        assert nova.chat() == 200


def loading(tmp_path, **limits):
    """Environment and engine data of a nova whose limits on loads are these."""
    engine_data(tmp_path / "data", start_limit_s=limits["start"])
    return {"NOVA_START_LIMIT_S": str(limits["start"]), "NOVA_STALL_LIMIT_S": str(limits["stall"])}


def test_a_long_load_with_progress_succeeds(tmp_path, llama, model):
    takes, start, stall = (240, 120, 60) if LONG else (8, 5, 6)
    llama.turn(load_bytes=240_000_000, load_mb_per_s=240 / takes)
    env = loading(tmp_path, start=start, stall=stall)
    with Nova(tmp_path / "data", [llama.folder], env=env) as nova:
        _, seconds = timed(lambda: nova.cli("start", "llamacpp", "--model", model, "--wait",
                                            timeout=4 * takes + 60))
        assert seconds >= takes and nova.backend()["state"] == "ready"


def outcome_of_start(nova, model):
    """The error of an operation that has to fail, as the API tells it."""
    done = nova.cli("start", "llamacpp", "--model", model, "--wait", "--json", check=False,
                    timeout=300)
    assert done.returncode != 0
    error = nova.backend()["error"]
    assert error["detail"] and error["remedy"]
    assert error["detail"] in done.stdout + done.stderr
    return error


def test_a_load_that_stalls_is_called_stalled(tmp_path, llama, model):
    llama.turn(load_bytes=1_000_000, stall_at_percent=60)
    env = loading(tmp_path, start=5, stall=3)
    with Nova(tmp_path / "data", [llama.folder], env=env) as nova:
        error = outcome_of_start(nova, model)
        assert error["code"] == "stalled" and "60 %" in error["detail"]
        until(lambda: not nova.engine_pids(), what="the stalled engine's end")


def test_a_load_without_any_output_ends_with_the_start_limit(tmp_path, llama, model):
    llama.turn(never_listen=True)
    env = loading(tmp_path, start=5, stall=3)
    with Nova(tmp_path / "data", [llama.folder], env=env) as nova:
        error = outcome_of_start(nova, model)
        assert error["code"] == "start_timeout" and "5 s" in error["detail"]
        until(lambda: not nova.engine_pids(), what="the silent engine's end")


def test_an_idle_engine_is_parked_through_a_restart_until_it_is_started(tmp_path, llama, model):
    env = {"NOVA_IDLE_UNLOAD_S": "2"}
    with Nova(tmp_path / "data", [llama.folder], env=env) as nova:
        nova.cli("start", "llamacpp", "--model", model, "--wait")

        def parked():
            document = nova.backend()
            return document["phase"] == "parked" and document

        document = until(parked, 60, "phase parked")
        assert document["state"] == "stopped" and document["backend"] == "llamacpp"
        assert nova.engine_pids() == []
        nova.process.kill()
        nova.process.wait()
        nova.serve()
        until(parked, 60, "phase parked after the restart")
        assert nova.engine_pids() == []
        nova.cli("start", "llamacpp", "--model", model, "--wait")
        until(parked, 60, "phase parked again")
        nova.cli("stop", "--wait")
        assert nova.backend()["phase"] == "stopped"
