"""Requests for a model that is being loaded, through the official openai client."""
import concurrent.futures
import json

import openai
import pytest

from fake_llama import FakeLlama, write_gguf
from nova_fixture import Nova, until

PLACES = 64
HELLO = [{"role": "user", "content": "hi"}]
STALLED = {"load_mb_per_s": 1000, "stall_at_percent": 50}


def client_of(nova):
    return openai.OpenAI(base_url=nova.base_url, api_key="unused", max_retries=0, timeout=120)


def ask(nova, model, prefer=None):
    """Status, headers and document of one chat through the official client."""
    more = {"extra_headers": {"Prefer": prefer}} if prefer else {}
    try:
        raw = client_of(nova).chat.completions.with_raw_response.create(
            model=model, messages=HELLO, max_tokens=4, **more)
        return raw.status_code, raw.headers, json.loads(raw.text)
    except openai.APIStatusError as error:
        return error.status_code, error.response.headers, error.response.json()


def wish(nova, path):
    """Asks for a model and returns at once."""
    nova.cli("start", "llamacpp", "--model", path)


def settled(nova):
    """Nobody waits and nothing runs."""
    def quiet():
        counts = nova.inflight()
        return counts["waiting"] == counts["local_inflight"] == counts["active_relays"] == 0

    until(quiet, 10, "an empty gateway")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(nova, engine folder, path and name of a model, path and name of another one)."""
    folder = tmp_path_factory.mktemp("loading")
    engines = FakeLlama(folder / "bin")
    paths = [write_gguf(folder / "first.gguf"), write_gguf(folder / "second.gguf")]
    with Nova(folder / "data", [engines.folder]) as nova:
        names = []
        for path in paths:
            nova.start("llamacpp", "--model", path)
            names.append(nova.model())
        yield nova, engines, list(zip(paths, names))


@pytest.fixture
def stalled(place):
    """(nova, engine folder, name) while the first model's load stands still."""
    nova, engines, models = place
    nova.cli("stop", "--wait")
    engines.turn(**STALLED)
    path, name = models[0]
    wish(nova, path)
    until(lambda: ask(nova, name)[0] == 503, 30, "the name to be known")
    until(lambda: nova.engine_pids(), 30, "the engine's process")
    yield nova, engines, name
    engines.turn()
    nova.wait_state("ready")
    settled(nova)


def test_without_prefer_it_is_a_503_that_says_when(stalled):
    nova, _, name = stalled
    until(lambda: ask(nova, name)[2]["loading"]["phase"] == "starting", 30, "phase starting")
    status, headers, document = ask(nova, name)
    assert status == 503
    assert 1 <= int(headers["Retry-After"]) <= 120
    assert "Preference-Applied" not in headers
    assert document["error"]["code"] == "model_loading"
    assert "eta_s" not in document["loading"], "nothing was measured, so nothing is promised"
    assert nova.inflight()["waiting"] == 0
    assert ask(nova, "somebody-else", "wait=30")[0] == 404, "an unknown name is not waited for"


def test_with_prefer_it_is_answered_after_the_load(stalled):
    nova, engines, name = stalled
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, nova, name, "wait=30")
        until(lambda: nova.inflight()["waiting"] == 1, 30, "the request to wait")
        assert nova.inflight()["local_inflight"] == 0
        engines.turn()
        status, headers, document = answer.result(60)
    assert status == 200, document
    assert headers["Preference-Applied"] == "wait"
    assert document["choices"][0]["message"]["content"]


def test_who_waits_too_long_gets_the_same_503(stalled):
    nova, _, name = stalled
    status, headers, document = ask(nova, name, "wait=1")
    assert status == 503
    assert headers["Preference-Applied"] == "wait"
    assert headers["Retry-After"] and document["loading"]["phase"]


def test_the_load_survives_the_client_that_caused_it(stalled):
    nova, engines, name = stalled
    engine = nova.engine_pids()
    impatient = openai.OpenAI(base_url=nova.base_url, api_key="unused", max_retries=0, timeout=0.5)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model=name, messages=HELLO,
                                          extra_headers={"Prefer": "wait=60"})
    until(lambda: nova.inflight()["waiting"] == 0, 10, "the place of the client that left")
    engines.turn()
    nova.wait_state("ready")
    assert nova.engine_pids() == engine
    assert ask(nova, name)[0] == 200


def test_the_65th_is_refused_and_64_are_served(stalled):
    nova, engines, name = stalled
    with concurrent.futures.ThreadPoolExecutor(PLACES) as pool:
        answers = [pool.submit(ask, nova, name, "wait=100") for _ in range(PLACES)]
        until(lambda: nova.inflight()["waiting"] == PLACES, 60, "every place to be taken")
        status, headers, document = ask(nova, name, "wait=100")
        assert status == 503
        assert document["error"]["code"] == "loading_queue_full"
        assert headers["Retry-After"] and document["loading"]["phase"]
        engines.turn()
        assert [answer.result(60)[0] for answer in answers] == [200] * PLACES
    settled(nova)


def test_a_switch_serves_those_who_waited_for_the_new_model(place):
    nova, engines, [(old_path, old), (new_path, new)] = place
    engines.turn()
    nova.start("llamacpp", "--model", old_path)
    engines.turn(**STALLED)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        wish(nova, new_path)
        until(lambda: ask(nova, new)[0] == 503, 30, "the new name to be known")
        answers = [pool.submit(ask, nova, new, "wait=60") for _ in range(8)]
        until(lambda: nova.inflight()["waiting"] == 8, 30, "everybody to wait")
        engines.turn()
        assert [answer.result(60)[0] for answer in answers] == [200] * 8
    assert ask(nova, old)[0] == 404
    settled(nova)


def test_a_load_that_fails_ends_the_wait(place):
    nova, engines, models = place
    nova.cli("stop", "--wait")
    engines.turn(**STALLED)
    path, name = models[0]
    wish(nova, path)
    until(lambda: ask(nova, name)[0] == 503, 30, "the name to be known")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(ask, nova, name, "wait=100")
        until(lambda: nova.inflight()["waiting"] == 1, 30, "the request to wait")
        nova.cli("stop")
        status, headers, document = answer.result(60)
    assert status == 503 and "Retry-After" in headers, document
    assert "loading" not in document
    engines.turn()
    settled(nova)
