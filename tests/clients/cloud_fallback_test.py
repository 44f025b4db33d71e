"""A cloud behind the local backend: who answers, and what the answer says about it."""
import json

import pytest

from fake_cloud import TEXT, FakeCloud
from nova_fixture import Nova, request, until

CONTROL = "/api/v1/recovery"


def control(nova, method, path, body=None):
    status, _, raw = request(nova.control, method, CONTROL + path, body,
                             headers={"X-Admin-Secret": nova.secret()})
    assert status == 200, raw
    return json.loads(raw)


@pytest.fixture
def world(tmp_path):
    """(nova, local, cloud): a custom backend with local-1, and the cloud `remote`."""
    with FakeCloud(["local-1"]) as local, FakeCloud(["cloud-1"], key="sk-r") as cloud, \
            Nova(tmp_path / "data") as nova:
        nova.start("custom", "--url", local.url)
        control(nova, "PUT", "/providers/remote", {
            "base_url": cloud.url, "secret": "sk-r", "default_model": "cloud-1"})
        until(lambda: "cloud-1" in [m["id"] for m in json.loads(nova.get("/v1/models")[2])["data"]],
              20, "the cloud's models")
        yield nova, local, cloud


def chat(nova, model="local-1", **more):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    return nova.post("/v1/chat/completions", body)


def test_the_model_of_a_cloud_goes_there_directly(world):
    nova, local, cloud = world
    status, headers, raw = chat(nova, "cloud-1")
    assert status == 200, raw
    assert headers["X-Nova-Provider"] == "remote"
    assert json.loads(raw)["choices"][0]["message"]["content"] == TEXT
    assert json.loads(raw)["model"] == "cloud-1"
    assert not local.asked("/chat/completions")
    status, headers, raw = chat(nova, "remote/cloud-1")
    assert status == 200 and cloud.asked("/chat/completions")[-1]["model"] == "cloud-1"
    assert json.loads(raw)["model"] == "remote/cloud-1", "the answer's model is what was asked"


def test_a_stopped_backend_is_stood_in_for_and_not_under_local_only(world):
    nova, _, cloud = world
    assert chat(nova)[1]["X-Nova-Provider"] == "custom"
    nova.cli("stop", "--wait")
    status, headers, raw = chat(nova)
    assert status == 200, raw
    assert headers["X-Nova-Provider"] == "remote" and headers["X-Nova-Model"] == "cloud-1"
    assert json.loads(raw)["model"] == "local-1"
    assert cloud.asked("/chat/completions")[-1]["model"] == "cloud-1"
    before = len(cloud.requests)
    control(nova, "PUT", "/mode", {"mode": "local-only"})
    assert chat(nova)[0] == 503
    assert len(cloud.requests) == before
    control(nova, "PUT", "/mode", {"mode": "hybrid"})
    assert chat(nova)[0] == 200


@pytest.mark.parametrize("status", [500, 503, 429, 408, 401])
def test_a_failing_backend_is_stood_in_for(world, status):
    nova, local, _ = world
    local.turn(status=status)
    answered, headers, raw = chat(nova)
    assert answered == 200, raw
    assert headers["X-Nova-Provider"] == "remote"
    assert "custom" in headers["X-Nova-Route"] or "local" in headers["X-Nova-Route"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_clients_own_mistake_is_not(world, status):
    nova, local, cloud = world
    local.turn(status=status)
    assert chat(nova)[0] == status
    assert not cloud.asked("/chat/completions")


def test_cloud_first_asks_the_cloud_for_what_it_has(world):
    nova, local, cloud = world
    local.models.append("cloud-1")
    control(nova, "PATCH", "/settings", {"routing_strategy": "cloud-first"})
    assert chat(nova, "cloud-1")[1]["X-Nova-Provider"] == "remote"
    assert chat(nova, "local-1")[1]["X-Nova-Provider"] == "custom"
    cloud.turn(status=500)
    status, headers, _ = chat(nova, "cloud-1")
    assert status == 200 and headers["X-Nova-Provider"] == "custom"


def test_an_alias_of_a_setting(world):
    nova, _, cloud = world
    control(nova, "PATCH", "/settings", {"routing_aliases": "smart=remote/cloud-1"})
    status, headers, raw = chat(nova, "smart")
    assert status == 200 and headers["X-Nova-Provider"] == "remote"
    assert json.loads(raw)["model"] == "smart"
    assert cloud.asked("/chat/completions")[-1]["model"] == "cloud-1"


def test_embeddings_are_never_made_by_another_model(world):
    nova, local, cloud = world
    local.turn(status=503)
    status, _, _ = nova.post("/v1/embeddings", {"model": "local-1", "input": "hi"})
    assert status >= 500
    assert not cloud.asked("/embeddings")
    assert nova.post("/v1/embeddings", {"model": "cloud-1", "input": "hi"})[0] == 200
