"""deploy/compose: accepted by Compose, each profile selects its engine, and no image differs from
what nova itself would run."""
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "compose"
BASE = FOLDER / "compose.yaml"
OVERRIDES = {"nvidia": FOLDER / "compose.nvidia.yaml", "amd": FOLDER / "compose.amd.yaml"}
ENGINES = {"ollama": 11434, "vllm": 8000, "sglang": 8000, "llamacpp": 8080}
# Compose 1.29 prints every service whatever is chosen; what `up` would start is its project's own
# answer. Compose 2 answers by `config --services`.
SELECTED = """
import sys
from unittest import mock
from compose.cli.command import get_config_from_options
from compose.project import Project
options = {"--file": sys.argv[2:], "--profile": [sys.argv[1]] if sys.argv[1] else []}
config = get_config_from_options(".", options)
project = Project.from_config("p", config, mock.MagicMock(), enabled_profiles=options["--profile"])
print(" ".join(sorted(s.name for s in project.get_services())))
"""


def clean_environment():
    return {k: v for k, v in os.environ.items()
            if not k.startswith(("NOVA_", "COMPOSE_")) and k not in ("HF_TOKEN",
                                                                     "DEFAULT_CHAT_MODEL")}


def compose(*words, **environment):
    return subprocess.run(["docker-compose", *map(str, words)], text=True,
                          capture_output=True, check=False, cwd=FOLDER,
                          env={**clean_environment(), **environment})


def config(*files):
    done = compose(*[word for file in files for word in ("-f", file)], "config")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    return yaml.safe_load(done.stdout)


def files_with(override):
    return [BASE] if override is None else [BASE, OVERRIDES[override]]


@pytest.mark.parametrize("override", [None, "nvidia", "amd"])
@pytest.mark.parametrize("profile", ["", *[f"local-{engine}" for engine in ENGINES]])
def test_a_profile_selects_exactly_its_engine(profile, override):
    python = pathlib.Path("/usr/bin/python3")  # that docker-compose itself runs with
    done = subprocess.run([python, "-c", SELECTED, profile, *map(str, files_with(override))],
                          text=True, capture_output=True, check=False, cwd=FOLDER,
                          env=clean_environment())
    assert done.returncode == 0, done.stderr
    wanted = ["nova"] + ([profile.replace("local-", "nova-")] if profile else [])
    assert done.stdout.split() == sorted(wanted)


def test_services_are_named_and_published_as_the_contract_says():
    services = config(BASE)["services"]
    assert sorted(services) == sorted(["nova", *[f"nova-{engine}" for engine in ENGINES]])
    for engine, port in ENGINES.items():
        service = services[f"nova-{engine}"]
        assert service["container_name"] == f"nova-{engine}"
        assert service["profiles"] == [f"local-{engine}"]
        assert service["ports"] == [f"127.0.0.1:{port}:{port}/tcp"]
        assert service["labels"]["nova.engine"] == engine
        assert service["labels"]["nova.slot"] == "local"
    for service in services.values():
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:"), port


@pytest.mark.parametrize("override,accelerator", [(None, "cpu"), ("nvidia", "cuda"),
                                                  ("amd", "rocm")])
def test_images_are_those_nova_runs_itself(override, accelerator):
    services = config(*files_with(override))["services"]
    for engine in ENGINES:
        data = json.loads((ROOT / "data" / "engines" / f"{engine}.json").read_text())
        service = services[f"nova-{engine}"]
        assert service["image"] == data["images"][accelerator], engine
        shared = data.get("container", {}).get("shared_memory_mib", 0)
        assert service.get("shm_size", "0gb") == (f"{shared // 1024}gb" if shared else "0gb")
        if override == "nvidia":
            device = service["deploy"]["resources"]["reservations"]["devices"][0]
            assert device == {"driver": "nvidia", "count": "all",
                              "capabilities": ["gpu", "compute", "utility"]}
        if override == "amd":
            assert {d.split(":")[0] for d in service["devices"]} == {"/dev/kfd", "/dev/dri"}
            assert len(service["group_add"]) == 2


def test_what_both_generations_of_compose_take_is_kept_to():
    """No `version:` (Compose 2 warns), and nothing 1.29's schema does not know."""
    for file in (BASE, *OVERRIDES.values()):
        document = yaml.safe_load(file.read_text())
        assert set(document) <= {"services", "networks", "volumes"}, file
        for name, service in document["services"].items():
            unknown = set(service) & {"gpus", "attach", "pull_policy", "develop", "annotations"}
            assert not unknown, f"{name}: {unknown}"


def test_a_variable_changes_what_it_names():
    done = compose("-f", BASE, "config", NOVA_VLLM_MODEL="org/other", NOVA_VLLM_PORT="8100",
                   NOVA_IMAGE="registry.example/nova:1", HF_TOKEN="hf_x")
    services = yaml.safe_load(done.stdout)["services"]
    assert "org/other" in services["nova-vllm"]["command"]
    assert services["nova-vllm"]["ports"] == ["127.0.0.1:8100:8000/tcp"]
    assert services["nova"]["image"] == "registry.example/nova:1"
    assert services["nova-vllm"]["environment"]["HF_TOKEN"] == "hf_x"
    assert "hf_x" not in " ".join(services["nova-vllm"]["command"])


def test_both_dockerfiles_make_the_same_image():
    folder = ROOT / "packaging"
    run = [re.split(r"^COPY (?:--from=build /tree/|tree/) /\n", (folder / name).read_text(),
                    flags=re.M)[1] for name in ("Dockerfile", "Dockerfile.tree")]
    assert run[0] == run[1] and 'ENTRYPOINT ["nova"]' in run[0]
