"""Bad use, part two: a wish nova cannot fulfil is refused and leaves what runs as it was."""
import json
import os

import pytest

from fake_llama import FakeLlama, write_gguf
from nova_fixture import BACKEND, FakeEngine, Nova, request
from refusals import (CREDENTIALS, FAILED, NOT_FOUND, PRECONDITION, ROLLED_BACK, USAGE, refused)

ANSWERED_WITHIN_S = 60
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>...</body></html>\n"


@pytest.fixture(scope="module")
def engine_folder(tmp_path_factory):
    return FakeLlama(tmp_path_factory.mktemp("programs") / "bin")


@pytest.fixture(scope="module")
def idle(tmp_path_factory, engine_folder):
    """A nova of which nothing was ever wanted that could run."""
    with Nova(tmp_path_factory.mktemp("idle") / "data", [engine_folder.folder]) as nova:
        yield nova


@pytest.fixture(scope="module")
def busy(tmp_path_factory, engine_folder):
    """A nova that serves a custom backend all the time."""
    folder = tmp_path_factory.mktemp("busy") / "data"
    programs = [engine_folder.folder]
    with FakeEngine("--alias", "fake-model") as engine, Nova(folder, programs) as nova:
        nova.start("custom", "--url", engine.url)
        yield nova


def serves_on(nova):
    document = nova.wait_state("ready", seconds=30)
    assert document["backend"] == "custom"
    assert nova.chat() == 200


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model files, good and bad, by the words the tests call them."""
    folder = tmp_path_factory.mktemp("models")
    good = write_gguf(folder / "good.gguf")
    half = folder / "half.gguf"
    half.write_bytes(good.read_bytes()[:good.stat().st_size // 2])
    headless = folder / "head.gguf"
    headless.write_bytes(good.read_bytes()[:40])
    page = folder / "page.gguf"
    page.write_bytes(PAGE)
    empty = folder / "empty.gguf"
    empty.touch()
    return {"good": good, "missing": folder / "missing.gguf", "half": half, "head-only": headless,
            "web-page": page, "empty": empty, "folder": folder}


BAD_MODELS = {"missing": NOT_FOUND, "half": USAGE, "head-only": USAGE, "web-page": USAGE,
              "empty": USAGE, "folder": USAGE}


def start(nova, *words):
    return nova.cli("start", *words, "--wait", check=False, timeout=ANSWERED_WITHIN_S)


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_bad_model(idle, files, kind):
    refused(start(idle, "llamacpp", "--model", files[kind]), BAD_MODELS[kind], files[kind])
    assert idle.engine_pids() == []


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_bad_model_while_another_backend_serves(busy, files, kind):
    done = start(busy, "llamacpp", "--model", files[kind])
    refused(done, (BAD_MODELS[kind], ROLLED_BACK), files[kind])
    serves_on(busy)


def test_no_model_at_all(idle):
    refused(start(idle, "ollama"), USAGE, "model")


def test_custom_without_a_url(idle):
    refused(start(idle, "custom"), USAGE, "URL")


def test_a_web_page_is_called_one(idle, files):
    done = start(idle, "llamacpp", "--model", files["web-page"])
    assert "web page" in done.stderr or "HTML" in done.stderr


@pytest.mark.parametrize("option,name", [
    ("flag.nonsense=1", "nonsense"), ("warp=9", "warp"), ("context=1", "context"),
    ("context=lots", "context"), ("parallel=-1", "parallel"), ("threads=99999", "threads"),
    ("embeddings=maybe", "embeddings"), ("flag.seed=--model", "seed"),
])
def test_a_wrong_option(idle, busy, files, option, name):
    words = ["llamacpp", "--model", files["good"], "--option", option]
    refused(start(idle, *words), USAGE, name)
    assert idle.engine_pids() == []
    refused(start(busy, *words), (USAGE, ROLLED_BACK), name)
    serves_on(busy)


@pytest.mark.parametrize("words,code,name", [
    (["warpdrive", "--model", "x"], NOT_FOUND, "warpdrive"),
    (["custom", "--url", "ftp://127.0.0.1/"], USAGE, "http://"),
    (["custom", "--url", "http:// a"], USAGE, "white space"),
    (["llamacpp", "--model", "/x.gguf", "--runtime", "warp"], USAGE, "runtime"),
    (["llamacpp", "--model", "/x.gguf", "--url", "http://127.0.0.1:1"], USAGE, "url"),
])
def test_a_wrong_start(busy, words, code, name):
    done = start(busy, *words)
    refused(done, (code, ROLLED_BACK), name)
    serves_on(busy)


def test_the_remedy_names_the_engines(busy):
    remedy = refused(start(busy, "warpdrive", "--model", "x"), NOT_FOUND, "warpdrive")
    for engine in ("llamacpp", "ollama", "vllm", "sglang", "custom"):
        assert engine in remedy


def test_an_engine_that_cannot_be_had(tmp_path, files):
    programs = tmp_path / "programs"
    programs.mkdir()
    with Nova(tmp_path / "data", env={"PATH": str(programs)}) as nova:
        refused(start(nova, "llamacpp", "--model", files["good"]), PRECONDITION, "llama-server")
        listed = json.loads(nova.cli("engines", "--json").stdout)
        row = next(row for row in listed["backends"] if row["backend"] == "llamacpp")
        assert not row["can_run"] and not row["installed"] and row["why_not"] and row["remedy"]
        FakeLlama(programs / "later")
        os.rename(programs / "later" / "llama-server", programs / "llama-server")
        nova.start("llamacpp", "--model", files["good"])
        assert nova.chat() == 200


def test_an_engine_that_dies_at_once(idle, engine_folder, files):
    engine_folder.turn(start_exit_code=1, log_text="ggml_paper: no more paper")
    done = start(idle, "llamacpp", "--model", files["good"])
    engine_folder.turn()
    refused(done, FAILED)
    assert "no more paper" in done.stderr
    document = idle.backend()
    assert document["backend"] == "llamacpp" and document["state"] != "ready"
    assert "no more paper" in document["error"]["log_excerpt"]
    # The cause is removed: the same wish tries at once and does not wait for its back-off.
    idle.start("llamacpp", "--model", files["good"])
    assert idle.chat() == 200
    idle.cli("stop", "--wait")
    assert idle.engine_pids() == []


def test_an_engine_that_dies_at_once_brings_the_old_one_back(busy, engine_folder, files):
    engine_folder.turn(start_exit_code=1, log_text="ggml_paper: no more paper")
    done = start(busy, "llamacpp", "--model", files["good"])
    engine_folder.turn()
    refused(done, ROLLED_BACK)
    assert "no more paper" in done.stderr
    serves_on(busy)
    assert busy.engine_pids() == []


def test_a_refused_flag_of_the_engine_is_named(idle, engine_folder, files):
    engine_folder.turn(refuse_flag="--kv-unified")
    done = start(idle, "llamacpp", "--model", files["good"])
    engine_folder.turn()
    refused(done, (FAILED, USAGE, PRECONDITION))
    assert "--kv-unified" in done.stderr
    idle.cli("stop", "--wait")


def test_errors_as_json(busy):
    done = busy.cli("start", "warpdrive", "--model", "x", "--json", check=False)
    assert done.returncode == NOT_FOUND
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "engine_not_found" and error["detail"] and error["remedy"]


def test_a_wrong_admin_secret(busy, tmp_path):
    wrong = tmp_path / "secret"
    wrong.write_text("0123456789abcdef0123456789abcdef\n")
    wrong.chmod(0o600)
    refused(busy.cli("status", "--admin-secret-file", wrong, check=False), CREDENTIALS)

    def ask(secret):
        return request(busy.control, "GET", BACKEND, headers={"X-Admin-Secret": secret})

    status, _, body = ask("wrong")
    assert status == 401 and json.loads(body)["code"] == "unauthorized"
    # Somebody who guesses is slowed down; the right secret is never locked out (decisions.md 4.9).
    assert 429 in [ask(f"guess {number}")[0] for number in range(20)]
    assert ask(busy.secret())[0] == 200
