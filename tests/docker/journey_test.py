"""Select, pull, start, chat, switch, stop: by API and CLI, with docker ps beside it."""
import http.client
import json

import pytest

from docker_fixture import (DockerNova, Wire, llama_image, model_path, ollama_image, request,
                            until)
from fake_llama import write_gguf

OPERATIONS = "/recovery-api/api/v1/recovery/inference/operations"
FINISHED = ("succeeded", "failed", "cancelled", "superseded", "rolled_back")


def operation(nova, key):
    status, _, body = request(nova.control, "GET", f"{OPERATIONS}/{key}",
                              headers={"X-Admin-Secret": nova.secret()})
    assert status == 200, body
    return json.loads(body)


def start_by_api(nova, engine, **body):
    """The operation at its end, and every phase as it was seen on the way."""
    status, _, answer = request(
        nova.control, "POST", f"/recovery-api/api/v1/recovery/inference/backend/{engine}/start",
        body, headers={"X-Admin-Secret": nova.secret()})
    assert status == 202, answer
    key = json.loads(answer)["operation"]
    seen = []

    def over():
        row = operation(nova, key)
        seen.extend(row["phases"])
        nova.agree()
        return row if row["state"] in FINISHED else None

    row = until(over, 180, "the end of the operation")
    assert row["state"] == "succeeded", row
    return row, seen


def stream(nova, tokens=8):
    """The pieces of a streamed answer through the gateway."""
    connection = http.client.HTTPConnection("127.0.0.1", nova.gateway, timeout=120)
    connection.request("POST", "/v1/chat/completions", json.dumps({
        "model": nova.model(), "stream": True, "max_tokens": tokens,
        "messages": [{"role": "user", "content": "Say hello."}]}),
        {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    assert text.rstrip().endswith("data: [DONE]"), text[-300:]
    return [line for line in text.splitlines() if line.startswith("data: {")]


def expect_running(nova, engine):
    document = nova.agree()
    assert (document["state"], document["backend"]) == ("ready", engine), document
    assert document["instance"]["runtime"] == "docker"
    assert document["instance"]["name"].startswith(f"nova-{engine}")
    # The operation of a switch without a gap ends before its old side does.
    until(lambda: list(nova.daemon.ps().values()) == ["running"], 60, "one container")
    assert len(stream(nova)) >= 2


def expect_stopped(nova):
    assert nova.agree()["state"] == "stopped"
    assert nova.daemon.ps() == {}


def test_each_engine_by_api(nova, docker, fakes, tmp_path):
    expect_stopped(nova)
    gguf = str(write_gguf(tmp_path / "a.gguf"))
    models = {"llamacpp": gguf, "vllm": "acme/tiny", "ollama": gguf, "sglang": "acme/tiny"}
    for engine, model in models.items():
        row, seen = start_by_api(nova, engine, model=model)
        phases = [phase["id"] for phase in row["phases"]]
        assert phases.index("image") < phases.index("create"), phases
        image = [phase for phase in seen if phase["id"] == "image"]
        assert any(fakes[engine] in phase.get("detail", "") for phase in image), image
        expect_running(nova, engine)
        # As it was pulled: the tag may move later.
        digest = docker.docker("inspect", nova.container(), "--format",
                               '{{index .Config.Labels "nova.digest"}}')
        assert digest.startswith(fakes[engine].rpartition(":")[0] + "@sha256:"), digest
    nova.cli("stop", "--wait")
    expect_stopped(nova)


def test_progress_of_a_pull_is_bytes_of_layers(nova, registry, docker, fakes, tmp_path):
    wire = Wire(registry.port)
    wire.rate = 3_000_000
    image = wire.name("llamacpp")
    docker.docker("rmi", "-f", *docker.docker("images", "-q").split(), check=False)
    nova.cli("config", "set", "docker.images", f"llamacpp={image}")
    _, seen = start_by_api(nova, "llamacpp", model=str(write_gguf(tmp_path / "a.gguf")))
    moving = [p for p in seen if p["id"] == "image" and p.get("unit") == "bytes"]
    assert any(0 < p["done"] < p.get("total", 0) for p in moving), seen
    assert any(p.get("rate") for p in moving), moving
    assert [p["done"] for p in moving] == sorted(p["done"] for p in moving)
    wire.close()


def test_a_restarted_nova_adopts_its_container(nova, docker, tmp_path):
    nova.start("llamacpp", "--model", write_gguf(tmp_path / "a.gguf"))
    before = docker.docker("ps", "-q", "--no-trunc")
    nova.process.kill()
    nova.process.wait()
    assert docker.docker("ps", "-q", "--no-trunc") == before
    nova.serve()
    nova.wait_state("ready")
    assert docker.docker("ps", "-q", "--no-trunc") == before
    expect_running(nova, "llamacpp")


def test_the_runtime_is_what_was_chosen(nova, tmp_path):
    gguf = write_gguf(tmp_path / "a.gguf")
    refused = nova.cli("start", "llamacpp", "--model", gguf, "--runtime", "process", "--wait",
                       check=False)
    assert refused.returncode != 0
    assert "llama-server" in refused.stdout + refused.stderr
    nova.cli("config", "set", "runtime", "docker")
    nova.start("llamacpp", "--model", gguf)
    assert nova.container() == "nova-llamacpp"


@pytest.fixture
def real_images(docker, registry):
    """llama.cpp and Ollama as they are, in the registry only."""
    names = {"llamacpp": llama_image(docker, registry.name("real-llamacpp")),
             "ollama": ollama_image(docker, registry.name("real-ollama"))}
    for name in names.values():
        docker.docker("push", name)
        docker.docker("rmi", "-f", name)
    return names


def test_up_needs_no_program_of_an_engine(clean, fakes, tmp_path):
    nova = DockerNova(tmp_path / "data", clean, fakes, {"NOVA_ENGINES_DIR": str(tmp_path / "none")})
    try:
        done = nova.cli("up", "--gateway-listen", f"127.0.0.1:{nova.gateway}", "--control-listen",
                        f"127.0.0.1:{nova.control}", "--model", write_gguf(tmp_path / "a.gguf"))
        assert "tokens/s" in done.stdout and "nstalling" not in done.stderr
        assert clean.ps() == {"nova-llamacpp": "running"}
        assert not (tmp_path / "none").exists()
    finally:
        nova.cli("down", check=False)


def test_real_llama_cpp_and_ollama_by_command_line(tmp_path, clean, real_images):
    with DockerNova(tmp_path / "data", clean, real_images) as nova:
        expect_stopped(nova)
        nova.start("llamacpp", "--model", model_path())
        expect_running(nova, "llamacpp")
        nova.cli("switch", "ollama", "--model", model_path(), "--wait")
        expect_running(nova, "ollama")
        shown = nova.cli("status").stdout
        assert "ollama" in shown and "ready" in shown
        assert "nova-ollama" in nova.cli("status", "--json").stdout
        assert nova.cli("logs").stdout  # what the container says
        nova.cli("stop", "--wait")
        expect_stopped(nova)
        assert nova.cli("logs").stdout  # still, from the file of the run
