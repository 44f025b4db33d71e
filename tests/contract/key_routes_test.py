"""Keys and usage over the control API, each answer checked against api/openapi.yaml."""
import pytest

from nova_fixture import request

CHAT = {"model": "small", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def key(api):
    """A key that is gone again when the test ends: the other tests use an open gateway."""
    status, made = api.call("create_key", {"name": "of a test", "never_cloud": True})
    assert status == 201
    yield made
    api.raw("DELETE", f"/keys/{made['id']}")


def models(api, **headers):
    return request(api.nova.gateway, "GET", "/v1/models", headers=headers)


def test_a_key_is_told_once_and_kept_as_a_hash(api, key):
    _, listed = api.call("list_keys")
    assert [row["id"] for row in listed["keys"]] == [key["id"]]
    assert "key" not in listed["keys"][0]
    assert key["key"] not in str(listed)
    assert key["key"].encode() not in (api.nova.data / "nova.db").read_bytes()
    wal = api.nova.data / "nova.db-wal"
    assert not wal.exists() or key["key"].encode() not in wal.read_bytes()


def test_the_first_key_closes_the_gateway_and_the_last_one_opens_it(api):
    assert models(api)[0] == 200
    _, made = api.call("create_key", {"name": "first"})
    try:
        status, _, raw = models(api)
        assert status == 401 and b"invalid_api_key" in raw
        assert models(api, Authorization="Bearer nova_0_0")[0] == 401
        assert models(api, Authorization=f"bearer  {made['key']}")[0] == 200
        assert models(api, **{"x-api-key": made["key"]})[0] == 200
        assert request(api.nova.gateway, "GET", "/health/live")[0] == 200
        assert request(api.nova.gateway, "GET", "/metrics")[0] == 200, "of this machine"
    finally:
        status, gone = api.call("revoke_key", id=made["id"])
        assert status == 200 and gone["id"] == made["id"]
    assert models(api, **{"x-api-key": made["key"]})[0] == 200, "nobody needs one any more"
    assert api.call("revoke_key", id=made["id"])[0] == 404


def test_a_revoked_key_is_refused_at_once(api, key):
    _, other = api.call("create_key", {"name": "other"})
    assert models(api, **{"x-api-key": other["key"]})[0] == 200
    assert api.call("revoke_key", id=other["id"])[0] == 200
    assert models(api, **{"x-api-key": other["key"]})[0] == 401
    assert models(api, **{"x-api-key": key["key"]})[0] == 200


@pytest.mark.parametrize("body", [
    {}, {"name": 1}, {"name": "a\nb"}, {"name": " a"}, {"name": "x" * 65},
    {"name": "a", "models": "m"}, {"name": "a", "models": [1]}, {"name": "a", "models": [""]},
    {"name": "a", "requests_per_minute": 0}, {"name": "a", "tokens_per_minute": -1},
    {"name": "a", "concurrent": 1.5}, {"name": "a", "expires_in_s": 0},
    {"name": "a", "expires_at": "yesterday"}, {"name": "a", "expires_at": "2001-01-01"},
    {"name": "a", "expires_at": "2100-01-01", "expires_in_s": 5}, {"name": "a", "colour": "red"},
    [], "text"], ids=str)
def test_a_wish_that_makes_no_key(api, body):
    status, answer = api.call("create_key", body)
    assert status in (400, 422), answer
    assert api.call("list_keys")[1]["keys"] == []


def test_two_keys_of_one_name(api, key):
    status, answer = api.call("create_key", {"name": key["name"]})
    assert (status, answer["code"]) == (409, "key_exists")


def test_everything_a_key_can_be(api):
    asked = {"name": "whole", "models": ["llama*"], "providers": ["llamacpp"], "never_cloud": True,
             "expires_in_s": 3600, "requests_per_minute": 60, "tokens_per_minute": 1000,
             "concurrent": 2}
    _, made = api.call("create_key", asked)
    try:
        _, listed = api.call("list_keys")
        row = listed["keys"][0]
        for name in set(asked) - {"expires_in_s"}:
            assert row[name] == asked[name], name
        assert row["expires_at"] > row["created_at"]
    finally:
        api.call("revoke_key", id=made["id"])


@pytest.mark.parametrize("query", ["?from=x", "?to=2026-13-01", "?group_by=user", "?group_by="])
def test_usage_of_a_time_that_is_none(api, query):
    assert api.call("get_usage", query=query)[0] == 400


@pytest.mark.parametrize("group", ["model", "provider", "key", "day"])
def test_usage_in_every_group(api, group):
    status, answer = api.call("get_usage", query=f"?group_by={group}&from=2020-01-01")
    assert status == 200 and answer["group_by"] == group
