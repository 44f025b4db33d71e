"""Live figures of GPUs, and a GPU that is lost while an engine runs: with a fake nvidia-smi."""
import http.client
import json
import os
import shutil

import pytest

from fake_llama import FakeLlama, write_gguf
from nova_fixture import ROOT, Nova, request, until

BASE = "/recovery-api/api/v1/recovery"
LOOK_S = "1"
CARDS = """gpu 0|GPU-a|NVIDIA Example|590.44.01|24576|8.9|[N/A]|12|1024|43|26.20|320.00
gpu 1|GPU-b|NVIDIA Example|590.44.01|24576|8.9|[N/A]|[N/A]|10|[N/A]|[Not Supported]|320.00
app GPU-a|42|/usr/bin/llama-server|900
"""


class FakeGpus:
    """A folder for PATH with a fake nvidia-smi; turn() changes what it says."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "tests" / "fake_gpu" / "nvidia-smi", folder)
        self.turn("ok")

    def turn(self, mode):
        fresh = self.folder / "gpus.new"
        fresh.write_text(f"mode {mode}\n{CARDS}")
        os.replace(fresh, self.folder / "gpus.state")


@pytest.fixture
def gpus(tmp_path):
    return FakeGpus(tmp_path / "gpus")


@pytest.fixture
def nova(tmp_path, gpus):
    llama = FakeLlama(tmp_path / "bin")
    with Nova(tmp_path / "data", [gpus.folder, llama.folder],
              env={"NOVA_PROBE_INTERVAL_S": LOOK_S}) as running:
        until(lambda: running.cli("detect", "--json"), 30, "the first detection")
        yield running


def control(nova, path):
    status, _, body = request(nova.control, "GET", BASE + path,
                              headers={"X-Admin-Secret": nova.secret()})
    assert status == 200, f"{path}: {status} {body[:300]}"
    return json.loads(body)


def trouble(nova):
    found = control(nova, "/hardware")["gpu_trouble"]
    return found and found["trouble"]


def gpu_events(nova, wanted):
    """The events of type gpu since nova started, as soon as there are that many."""
    connection = http.client.HTTPConnection("127.0.0.1", nova.control, timeout=20)
    connection.request("GET", BASE + "/inference/events",
                       headers={"X-Admin-Secret": nova.secret(), "Last-Event-ID": "0"})
    answer = connection.getresponse()
    events, kind = [], None
    while len(events) < wanted:
        line = answer.fp.readline().decode().strip()
        if line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:") and kind == "gpu":
            events.append(json.loads(line[5:])["data"])
    connection.close()
    return events


def test_figures_are_what_the_tool_says_and_null_where_it_does_not(nova):
    first, second = control(nova, "/hardware/gpu-stats")
    assert first == {"index": 0, "name": "NVIDIA Example", "utilization_pct": 12.0,
                     "vram_used_bytes": 1024 << 20, "vram_total_bytes": 24576 << 20,
                     "temperature_c": 43.0, "power_w": 26.2, "power_limit_w": 320.0,
                     "processes": [{"pid": 42, "name": "/usr/bin/llama-server",
                                    "vram_used_bytes": 900 << 20}]}
    for member in ("utilization_pct", "temperature_c", "power_w"):
        assert second[member] is None, member
    assert second["processes"] == []
    assert control(nova, "/inference/hardware/gpu-stats") == [first, second]
    shown = nova.cli("gpu").stdout
    assert "12 %" in shown and "26 W of 320 W" in shown and "- of 320 W" in shown


@pytest.mark.parametrize("mode,word,says", [
    ("lost", "lost", "reboot"), ("lost_one", "lost", "reboot"),
    ("mismatch", "driver_replaced", "Reboot"), ("away", "driver_away", "modprobe"),
    ("no_devices", "driver_away", "modprobe"), ("taken", "driver_away", "container")])
def test_a_lost_gpu_is_found_said_and_no_reason_to_cut_the_engine(nova, gpus, tmp_path, mode, word,
                                                                  says):
    nova.start("llamacpp", "--model", write_gguf(tmp_path / "tiny.gguf"))
    engines = nova.engine_pids()
    gpus.turn(mode)
    until(lambda: trouble(nova) == word, 30, f"the trouble {word}")
    event = gpu_events(nova, 1)[0]
    assert event["trouble"] == word and event["restarting"] is False
    assert says in event["remedy"], event
    assert event["detail"] in nova.cli("gpu").stdout
    assert nova.engine_pids() == engines and nova.chat() == 200
    gpus.turn("ok")
    until(lambda: trouble(nova) is None, 30, "the end of the trouble")
    assert [e["trouble"] for e in gpu_events(nova, 2)] == [word, "none"]


def test_a_tool_that_hangs_holds_nothing_up(nova, gpus):
    gpus.turn("hang")
    until(lambda: trouble(nova) == "hung", 40, "the trouble hung")
    assert nova.backend()["state"] == "stopped"


def test_a_build_without_the_gpu_is_named_and_left_alone(tmp_path, gpus):
    llama = FakeLlama(tmp_path / "real")
    folder = tmp_path / "bin"
    folder.mkdir()
    server = folder / "llama-server"
    server.write_text("#!/bin/sh\necho 'warning: no usable GPU found, --gpu-layers option will be "
                      f"ignored'\nexec {llama.folder}/llama-server \"$@\"\n")
    server.chmod(0o755)
    with Nova(tmp_path / "data", [gpus.folder, folder],
              env={"NOVA_PROBE_INTERVAL_S": LOOK_S}) as nova:
        nova.cli("detect", "--json")
        nova.start("llamacpp", "--model", write_gguf(tmp_path / "tiny.gguf"))
        until(lambda: trouble(nova) == "on_cpu", 30, "the trouble on_cpu")
        engines = nova.engine_pids()
        event = gpu_events(nova, 1)[0]
        assert event["restarting"] is False and "Install a build" in event["remedy"]
        assert nova.engine_pids() == engines
