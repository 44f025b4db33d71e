"""Providers, settings and the mode through the control API and the command line."""
import json

import pytest

from fake_cloud import FakeCloud
from nova_fixture import until

KEY = "sk-canary-5566778899"


@pytest.fixture
def cloud(api):
    """A cloud that nova knows as `remote`, with a key it insists on; nothing runs here."""
    api.stop()
    with FakeCloud(["cloud-1", "org/model:x"], key=KEY) as running:
        status, _ = api.call("put_provider", {"base_url": running.url, "secret": KEY}, id="remote")
        assert status == 200
        yield running
    for row in api.call("list_providers")[1]["providers"]:
        api.call("delete_provider", id=row["id"])
    api.call("set_mode", {"mode": "hybrid"})


def known(api, name="remote"):
    return api.call("get_provider", id=name)[1]


def listed(nova):
    return [row["id"] for row in json.loads(nova.get("/v1/models")[2])["data"]]


def test_a_provider_from_its_configuration_to_its_removal(api, nova, cloud):
    until(lambda: known(api)["models"], 20, "the list of the cloud's models")
    row = known(api)
    assert row["models"] == ["cloud-1", "org/model:x"] and row["state"] == "usable"
    assert row["kind"] == "openai-compatible" and row["has_secret"]
    # The workers are told while the control plane answers already.
    until(lambda: "cloud-1" in listed(nova), 5, "the cloud's models at the gateway")
    assert "org/model:x" in listed(nova)
    assert nova.get("/v1/models/org/model:x")[0] == 200
    states = {p["provider"]: p for p in json.loads(nova.get("/health/providers")[2])["providers"]}
    assert states["remote"]["state"] == "ready" and states["remote"]["where"] == "cloud"
    assert nova.get("/health/ready")[0] == 200, "a cloud can answer"
    # A change leaves the rest, an alias is a name of its own at once.
    status, row = api.call("put_provider", {"aliases": {"smart": "cloud-1"}, "order": 5},
                           id="remote")
    assert status == 200 and row["order"] == 5 and row["has_secret"]
    assert "smart" in listed(nova)
    assert api.call("delete_provider", id="remote")[0] == 200
    assert api.call("get_provider", id="remote")[0] == 404
    assert listed(nova) == [] and nova.get("/health/ready")[0] == 503


def test_the_key_goes_to_the_cloud_and_nowhere_else(api, nova, cloud):
    until(lambda: known(api)["models"], 20, "the list")
    assert all(headers["Authorization"] == f"Bearer {KEY}" for _, _, headers, _ in cloud.requests)
    told = [json.dumps(known(api)), json.dumps(api.call("list_providers")[1]),
            json.dumps(api.call("get_settings")[1]), nova.log(),
            nova.get("/health/providers")[2].decode()]
    cloud.key = "another"
    told.append(json.dumps(api.call("test_provider", id="remote")[1]))
    for file in nova.data.glob("nova.db*"):
        told.append(file.read_bytes().decode("latin-1"))
    assert not any(KEY in text for text in told)
    assert (nova.data / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_key_does_not_follow_a_change_of_the_address(api, cloud):
    with FakeCloud() as thief:
        status, refused = api.call("put_provider", {"base_url": thief.url}, id="remote")
        assert status == 422 and refused["code"] == "secret_needed"
        assert thief.requests == []
    assert known(api)["base_url"] == cloud.url


def test_a_test_says_what_was_seen(api, cloud):
    status, told = api.call("test_provider", id="remote")
    assert status == 200 and told["ok"] and told["models"] == 2, told
    cloud.turn(no_list=True)
    told = api.call("test_provider", id="remote")[1]
    assert not told["ok"] and "default model" in told["observed"]
    api.call("put_provider", {"default_model": "cloud-1"}, id="remote")
    told = api.call("test_provider", id="remote")[1]
    assert told["ok"] and "one token" in told["observed"]
    assert cloud.asked("/chat/completions")[-1]["max_tokens"] == 1
    cloud.turn()
    cloud.key = "another"
    told = api.call("test_provider", id="remote")[1]
    assert not told["ok"] and told["error"]["code"] == "upstream_auth_error"
    assert "not one of ours" in told["observed"]


def test_anthropic_is_asked_in_its_own_way(api, nova, cloud):
    cloud.models = ["claude-1"]
    body = {"base_url": cloud.url, "secret": KEY}
    assert api.call("put_provider", body, id="anthropic")[0] == 200
    until(lambda: known(api, "anthropic")["models"], 20, "the list")
    asked = [headers for _, path, headers, _ in cloud.requests if "limit=1000" in path]
    assert asked[0]["x-api-key"] == KEY and asked[0]["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in asked[0]


@pytest.mark.parametrize("body,code", [
    ({"base_url": "http://169.254.169.254/v1"}, "address_not_allowed"),
    ({"base_url": "http://0xa9fea9fe/v1"}, "address_not_allowed"),
    ({"base_url": "http://[::ffff:169.254.169.254]/v1"}, "address_not_allowed"),
    ({"base_url": "http://metadata.google.internal/v1"}, "address_not_allowed"),
    ({"base_url": "file:///etc/passwd"}, "invalid_url"),
    ({"base_url": "http://example.com/v1", "secret": "k"}, "invalid_url"),
    ({}, "invalid_url"),
])
def test_addresses_that_are_refused(api, body, code):
    status, refused = api.call("put_provider", body, id="elsewhere")
    assert status == 422 and refused["code"] == code
    assert api.call("get_provider", id="elsewhere")[0] == 404


def test_a_redirect_is_not_followed(api, cloud):
    with FakeCloud() as thief:
        cloud.turn(status=302, headers={"Location": thief.url}, no_list=True)
        api.call("put_provider", {"default_model": "cloud-1"}, id="remote")
        told = api.call("test_provider", id="remote")[1]
        assert not told["ok"] and told["error"]["code"] == "redirected"
        assert thief.requests == []


def test_under_local_only_no_cloud_is_asked(api, nova, cloud):
    until(lambda: known(api)["models"], 20, "the list")
    status, mode = api.call("set_mode", {"mode": "local-only"})
    assert status == 200 and mode["strategy"] == "local-only"
    before = len(cloud.requests)
    assert listed(nova) == [] and nova.get("/health/ready")[0] == 503
    status, refused = api.call("test_provider", id="remote")
    assert status == 409 and refused["code"] == "local_only"
    assert known(api)["state"] == "kept_out"
    asked = {"model": "cloud-1", "messages": [{"role": "user", "content": "hi"}]}
    status, _, raw = nova.post("/v1/chat/completions", asked)
    assert status == 404 and "local-only" in json.loads(raw)["error"]["message"]
    assert len(cloud.requests) == before
    api.call("set_mode", {"mode": "hybrid"})
    assert "cloud-1" in listed(nova)


def test_under_cloud_only_nothing_is_started(api, cloud, model):
    api.call("set_mode", {"mode": "cloud-only"})
    status, refused = api.call("start_backend", {"model": str(model)}, backend="llamacpp")
    assert status == 409 and refused["code"] == "cloud_only"


def test_settings_are_checked_stored_and_explained(api, nova):
    status, told = api.call("change_settings", {"drain_s": 16, "routing_aliases": "a=b"})
    assert status == 200 and {row["name"] for row in told["settings"]} == {
        "drain_s", "routing_aliases"}
    assert api.call("change_settings", {"drain_s": 17, "probe_strikes": 0})[0] == 422
    assert api.call("change_settings", {"routing_aliases": "a"})[0] == 422
    assert api.call("change_settings", {"nothing": 1})[0] == 404
    row = next(r for r in api.call("get_settings")[1]["settings"] if r["name"] == "drain_s")
    assert row["value"] == 16 and row["default"] == 15 and row["layer"] == "store"
    shown = nova.cli("config", "explain", "drain_s").stdout
    assert "drain_s = 16" in shown and "next start" in shown
    assert nova.cli("config", "get", "drain_s").stdout == "16\n"
    nova.cli("config", "set", "drain_s", "18")
    assert json.loads(nova.cli("config", "get", "drain_s", "--json").stdout)["value"] == 18
    nova.cli("config", "unset", "drain_s")
    nova.cli("config", "unset", "routing_aliases")
    assert nova.cli("config", "get", "drain_s").stdout == "15\n"
    assert nova.cli("config", "set", "drain_s", "-1", check=False).returncode == 2
    assert nova.cli("config", "get", "nothing", check=False).returncode == 5


def test_the_command_line(api, nova, cloud, tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    added = nova.cli("providers", "add", "second", "--url", cloud.url, "--key-file", key,
                     "--model-default", "cloud-1", "--order", "7", "--alias", "s=cloud-1")
    assert "second" in added.stdout and KEY not in added.stdout
    row = known(api, "second")
    assert row["order"] == 7 and row["aliases"] == {"s": "cloud-1"}
    assert "It lists 2 models" in nova.cli("providers", "test", "second").stdout
    assert "second" in nova.cli("providers").stdout
    assert len(json.loads(nova.cli("providers", "list", "--json").stdout)["providers"]) == 2
    cloud.key = "another"
    assert nova.cli("providers", "test", "second", check=False).returncode == 4
    nova.cli("providers", "rm", "second")
    assert nova.cli("providers", "rm", "second", check=False).returncode == 5
    assert nova.cli("mode").stdout.startswith("hybrid")
    assert "local-only" in nova.cli("mode", "local-only").stdout
    assert nova.cli("mode", "nowhere", check=False).returncode == 2
    assert nova.cli("providers", "test", "remote", check=False).returncode == 6
