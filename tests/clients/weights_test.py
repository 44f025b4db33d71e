"""Weights that come over the network: resumed, cancelled, killed in the middle, and then served."""
import json

import pytest

from fake_hub import FakeHub
from nova_fixture import Nova, engine_dir, model_path, processes_with, until

MODEL = "hf.co/smol/SmolLM2-135M-GGUF:Q4_1"


@pytest.fixture
def hub():
    with FakeHub(model_path().read_bytes()) as running:
        yield running


def nova_of(tmp_path, hub, engine="llamacpp", **env):
    return Nova(tmp_path / "data", [engine_dir(engine)],
                {"NOVA_HUB_URL": hub.url, "NOVA_DOWNLOAD_STALL_S": "600", **env})


def operations(nova):
    return json.loads(nova.cli("operations", "--json").stdout)["operations"]


def weights_phase(nova):
    """The phase of the newest operation that fetches, while it does."""
    for operation in operations(nova):
        for phase in operation["phases"]:
            if phase["id"] == "weights" and phase.get("total"):
                return operation, phase
    return None


def part(nova):
    return nova.data / "models" / "smol" / "SmolLM2-135M-GGUF" / (
        "SmolLM2-135M-Instruct.Q4_1.gguf.part")


def part_size(nova):
    return part(nova).stat().st_size if part(nova).exists() else -1


def downloaded(nova):
    return part(nova).with_suffix("")


def test_a_download_that_is_cut_goes_on_and_then_answers(tmp_path, hub):
    size = len(hub.content)
    hub.cut_at = size * 63 // 100
    hub.hold_at = size * 80 // 100
    with nova_of(tmp_path, hub) as nova:
        nova.cli("start", "llamacpp", "--model", MODEL)

        def held():
            found = weights_phase(nova)
            return found if found and found[1]["done"] >= hub.hold_at * 9 // 10 else None

        _, phase = until(held, 30, "progress at the second hold")
        assert phase["total"] == size and phase["unit"] == "bytes", phase
        assert phase["done"] <= hub.hold_at
        assert hub.ranges() == ["", f"bytes={size * 63 // 100}-"]
        hub.hold_at = None
        hub.released.set()
        nova.wait_state("ready")
        assert nova.chat() == 200
        assert nova.model() == MODEL
        assert downloaded(nova).read_bytes() == hub.content and not part(nova).exists()
        # Again, without anybody to ask.
        asked = len(hub.requests)
        nova.cli("stop", "--wait")
        nova.start("llamacpp", "--model", MODEL)
        assert len(hub.requests) == asked


def test_a_cancel_keeps_the_part(tmp_path, hub):
    hub.hold_at = len(hub.content) // 2
    with nova_of(tmp_path, hub) as nova:
        nova.cli("start", "llamacpp", "--model", MODEL)
        until(lambda: part_size(nova) == hub.hold_at, 30, "half of it")
        operation = until(lambda: weights_phase(nova), 30, "progress")[0]
        assert "kept" in operation["cancel"]["effect"]
        nova.cli("cancel", operation["id"])
        nova.wait_state("stopped", seconds=30)
        assert part(nova).stat().st_size == hub.hold_at
        half, hub.hold_at = hub.hold_at, None
        hub.released.set()
        nova.start("llamacpp", "--model", MODEL)
        assert hub.ranges()[-1] == f"bytes={half}-"
        assert nova.chat() == 200


def test_nova_killed_in_the_middle_goes_on_after_its_restart(tmp_path, hub):
    hub.hold_at = len(hub.content) // 3
    with nova_of(tmp_path, hub) as nova:
        nova.cli("start", "llamacpp", "--model", MODEL)
        until(lambda: part_size(nova) == hub.hold_at, 30, "a third of it")
        nova.process.kill()
        nova.process.wait()
        third, hub.hold_at = hub.hold_at, None
        hub.released.set()
        nova.serve()
        nova.wait_state("ready")
        assert hub.ranges() == ["", f"bytes={third}-"]
        assert nova.chat() == 200


def test_a_gated_model_says_what_to_do(tmp_path, hub):
    hub.gated = True
    with nova_of(tmp_path, hub) as nova:
        done = nova.cli("start", "llamacpp", "--model", MODEL, "--wait", check=False)
        assert done.returncode == 4, done
        assert "Accept the licence at" in done.stderr and "HF_TOKEN" in done.stderr, done.stderr
        absent = nova.cli("start", "llamacpp", "--model", "smol/m:Q2_K", "--wait", check=False)
        assert absent.returncode == 5 and "Q4_1" in absent.stderr, absent


def helpers(nova):
    installed = nova.data / "install-id"
    return processes_with(installed.read_text().strip() + "/prepare/")


def test_ollama_pulls_by_a_helper_and_nothing_of_it_stays(tmp_path, hub):
    model = f"{hub.address}/library/smol:latest"
    hub.hold_at = len(hub.content) // 2
    with nova_of(tmp_path, hub, "ollama") as nova:
        nova.cli("start", "ollama", "--model", model)
        until(lambda: weights_phase(nova), 60, "progress of the pull")
        assert len(helpers(nova)) >= 1
        # Killed in the middle, the next nova ends the helper it finds and goes on.
        left = helpers(nova)
        nova.process.kill()
        nova.process.wait()
        hub.hold_at = None
        hub.released.set()
        nova.serve()
        nova.wait_state("ready")
        assert not set(left) & set(helpers(nova))
        until(lambda: not helpers(nova), 30, "the helper's end")
        assert nova.chat() == 200
        # What is in the store needs no helper, and the one that serves pulls by itself.
        asked = len(hub.requests)
        nova.cli("stop", "--wait")
        nova.start("ollama", "--model", model)
        assert len(hub.requests) == asked and not helpers(nova)
        absent = f"{hub.address}/library/smol:absent"
        done = nova.cli("start", "ollama", "--model", absent, "--wait", check=False)
        assert "has no" in done.stderr, done
        assert not helpers(nova)
