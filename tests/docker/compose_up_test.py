"""`docker-compose up` with nova's image on an imported base: page, chat, switch; services that
somebody started by hand."""
import json
import os
import subprocess

import pytest

from docker_fixture import ROOT, DockerNova, until
from fake_llama import write_gguf
from nova_fixture import nova_binary, request

COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
IMAGE = "nova:test"


@pytest.fixture(scope="module")
def image(docker):
    """nova's image as packaging/image.sh makes it without a registry."""
    done = subprocess.run(
        [ROOT / "packaging" / "image.sh", "--tag", IMAGE, "--program", nova_binary(),
         "--import-base"], text=True, capture_output=True, check=False,
        env={**os.environ, "DOCKER_HOST": f"unix://{docker.socket}", "DOCKER_BUILDKIT": "0"})
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture
def compose(docker, clean, image, tmp_path):
    """Runs docker-compose on the test's Docker; everything is taken down at the end."""
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("NOVA_", "COMPOSE_", "HF_"))}
    environment.update(DOCKER_HOST=f"unix://{docker.socket}", NOVA_IMAGE=image,
                       NOVA_DOCKER_SOCKET=str(docker.socket))

    def run(*words, check=True, **more):
        environment.update(more)
        done = subprocess.run(["docker-compose", "-p", "nova", "-f", COMPOSE, *words], text=True,
                              capture_output=True, check=False, cwd=tmp_path, env=environment,
                              timeout=180)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    run("down", "-v", "--remove-orphans", check=False)


def alive():
    try:
        return request(8001, "GET", "/health/live", timeout=2)[0] == 200
    except OSError:
        return False


def bearer(docker, tmp_path):
    docker.docker("cp", "nova:/data/api-key", tmp_path / "key")
    return {"Authorization": "Bearer " + (tmp_path / "key").read_text().strip()}


def test_up_gives_the_page_and_a_key_of_its_own(docker, compose, tmp_path):
    compose("up", "-d")
    until(alive, 60, "nova's gateway by its published port")
    status, headers, page = request(8888, "GET", "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"nova" in page
    assert request(8001, "GET", "/v1/models")[0] == 401, "a published port is no loopback"
    assert request(8001, "GET", "/v1/models", headers=bearer(docker, tmp_path))[0] == 200
    shown = json.loads(docker.docker("exec", "nova", "nova", "status", "--json"))
    assert shown["state"] == "stopped"
    compose("stop")
    assert docker.ps()["nova"] == "exited"
    assert docker.docker("inspect", "-f", "{{.State.ExitCode}}", "nova") == "0"


def chat(headers):
    models = json.loads(request(8001, "GET", "/v1/models", headers=headers)[2])["data"]
    body = {"model": models[0]["id"], "max_tokens": 4,
            "messages": [{"role": "user", "content": "hi"}]}
    status, _, answer = request(8001, "POST", "/v1/chat/completions", body, headers=headers)
    assert status == 200, answer
    return models[0]["id"], json.loads(answer)["choices"][0]["message"]["content"]


def test_up_gives_the_whole_product(docker, compose, fakes, tmp_path):
    """Page, start with a real pull, chat, switch to another engine: all of it in containers."""
    (tmp_path / "models").mkdir()
    write_gguf(tmp_path / "models" / "tiny.gguf")
    images = ",".join(f"{engine}={image}" for engine, image in fakes.items())
    compose("up", "-d", NOVA_DOCKER_IMAGES=images)
    until(alive, 60, "nova's gateway by its published port")
    docker.docker("cp", tmp_path / "models", "nova:/data/")
    assert request(8888, "GET", "/")[0] == 200
    docker.docker("exec", "nova", "nova", "start", "llamacpp", "--model",
                  "/data/models/tiny.gguf", "--wait", timeout=300)
    assert docker.ps() == {"nova": "running", "nova-llamacpp": "running"}
    headers = bearer(docker, tmp_path)
    model, text = chat(headers)
    assert model == "tiny" and text
    docker.docker("exec", "nova", "nova", "switch", "vllm", "--model", "org/tiny", "--wait",
                  timeout=300)
    assert docker.ps() == {"nova": "running", "nova-vllm": "running"}
    assert chat(headers)[0] == "org/tiny"
    compose("stop")
    assert docker.ps() == {"nova": "exited"}, "engines end with nova"


def test_a_service_started_by_hand_is_gone_on_with(docker, compose, fakes, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    model = write_gguf(models / "tiny.gguf")
    docker.docker("pull", fakes["llamacpp"])
    compose("up", "-d", "nova-llamacpp", COMPOSE_PROFILES="local-llamacpp",
            NOVA_LLAMACPP_IMAGE=fakes["llamacpp"], NOVA_LLAMACPP_MODELS=str(models),
            NOVA_LLAMACPP_MODEL="tiny.gguf")
    before = docker.docker("inspect", "-f", "{{.Id}}", "nova-llamacpp")
    with DockerNova(tmp_path / "data", docker, fakes) as nova:
        nova.start("llamacpp", "--model", model)
        assert docker.docker("inspect", "-f", "{{.Id}}", "nova-llamacpp") == before
        assert docker.ps() == {"nova-llamacpp": "running"} and nova.chat() == 200
        other = write_gguf(tmp_path / "other.gguf")
        nova.cli("stop", "--wait")
        assert docker.ps() == {}
        nova.start("llamacpp", "--model", other)
        assert docker.docker("inspect", "-f", "{{.Id}}", "nova-llamacpp") != before


def created(model):
    try:
        return request(11434, "POST", "/api/create", {"model": model, "files": {}})[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize("engine,model", [("vllm", "org/tiny"), ("ollama", "smol:135m")])
def test_a_service_started_by_hand_is_adopted_by_itself(docker, compose, fakes, tmp_path, engine,
                                                        model):
    """Nothing is wanted; whoever asks the gateway is answered by what Compose started."""
    docker.docker("pull", fakes[engine])
    with DockerNova(tmp_path / "data", docker, fakes) as nova:
        compose("up", "-d", f"nova-{engine}", COMPOSE_PROFILES=f"local-{engine}",
                **{f"NOVA_{engine.upper()}_IMAGE": fakes[engine], "NOVA_VLLM_MODEL": model})
        before = docker.docker("inspect", "-f", "{{.Id}}", f"nova-{engine}")
        if engine == "ollama":  # it has none yet, and gets one by its own API
            until(lambda: created(model), 20, "a model in Ollama")
        until(lambda: nova.backend()["state"] == "ready", 60, "the adoption")
        assert nova.backend()["active_model"] == model and nova.chat() == 200
        assert docker.docker("inspect", "-f", "{{.Id}}", f"nova-{engine}") == before
        assert docker.ps() == {f"nova-{engine}": "running"}
        if engine == "vllm":  # what the fake Ollama has lies in no volume
            nova.process.kill()
            nova.process.wait()
            nova.serve()
            until(lambda: nova.backend()["state"] == "ready", 60, "the adoption after a kill")
            assert docker.docker("inspect", "-f", "{{.Id}}", f"nova-{engine}") == before
        nova.cli("stop", "--wait")
        assert docker.ps() == {}


def test_a_service_of_another_model_is_named_and_left_alone(docker, compose, fakes, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    write_gguf(models / "other.gguf")
    docker.docker("pull", fakes["llamacpp"])
    compose("up", "-d", "nova-llamacpp", COMPOSE_PROFILES="local-llamacpp",
            NOVA_LLAMACPP_IMAGE=fakes["llamacpp"], NOVA_LLAMACPP_MODELS=str(models),
            NOVA_LLAMACPP_MODEL="other.gguf")
    with DockerNova(tmp_path / "data", docker, fakes) as nova:
        done = nova.cli("start", "llamacpp", "--model", write_gguf(tmp_path / "tiny.gguf"),
                        "--wait", check=False)
        assert done.returncode != 0
        assert "serves another model" in done.stderr and "docker stop nova-llamacpp" in done.stderr
        assert docker.ps() == {"nova-llamacpp": "running"}
