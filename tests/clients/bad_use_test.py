"""Bad use, part one: nova refuses to serve with a sentence and the right code; nothing is lost."""
import os
import random
import shutil
import socket
import sqlite3
import subprocess

import pytest

from nova_fixture import FakeEngine, Nova, free_port, nova_binary
from refusals import CREDENTIALS, NOT_REACHABLE, PRECONDITION, STORE_DAMAGED, USAGE, refused

REFUSED_WITHIN_S = 20


@pytest.fixture(scope="module")
def upstream():
    with FakeEngine("--alias", "fake-model") as engine:
        yield engine


@pytest.fixture(scope="module")
def template(tmp_path_factory, upstream):
    """The data directory of a nova that ended while it wanted a custom backend."""
    with Nova(tmp_path_factory.mktemp("template") / "data") as nova:
        nova.start("custom", "--url", upstream.url)
        nova.process.terminate()
        assert nova.process.wait(30) == 0
    return nova.data


@pytest.fixture
def kept(template, tmp_path):
    """A nova with a copy of that directory; it does not run yet."""
    nova = Nova(tmp_path / "data")
    shutil.copytree(template, nova.data, dirs_exist_ok=True)
    return nova


def serves_as_before(nova):
    """The same directory serves, and what was wanted before is wanted still."""
    with nova:
        assert nova.wait_state("ready", seconds=30)["backend"] == "custom"
        assert nova.chat() == 200


def refused_serve(nova, code, *names, words=(), env=None):
    """Runs `nova serve`, which must end by itself; `words` replace the flags they name."""
    command = nova.serve_command()
    for flag in set(words) & set(command):
        del command[command.index(flag):command.index(flag) + 2]
    try:
        done = subprocess.run([*command, *map(str, words)], text=True,
                              env={**nova.env, **(env or {})}, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=REFUSED_WITHIN_S, check=False)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"nova serve neither refused nor ended; it said: {late.stderr}")
    return refused(done, code, *names)


# ---------------------------------------------------------------- ports

@pytest.mark.parametrize("listener", ["gateway", "control"])
@pytest.mark.parametrize("shared", [False, True], ids=["plain", "reuseport"])
def test_a_port_that_a_stranger_holds(kept, listener, shared):
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        stranger.bind(("127.0.0.1", getattr(kept, listener)))
        stranger.listen()
        refused_serve(kept, PRECONDITION, getattr(kept, listener))
    serves_as_before(kept)


@pytest.mark.parametrize("listener", ["gateway", "control"])
def test_a_port_that_a_second_nova_of_the_same_user_holds(kept, tmp_path, listener):
    second = Nova(tmp_path / "second" / "data")
    setattr(second, listener, getattr(kept, listener))
    with kept:
        kept.wait_state("ready", seconds=30)
        refused_serve(second, PRECONDITION, getattr(kept, listener))
        for _ in range(20):  # a second listener on the port would get its share of these
            assert kept.chat() == 200
        assert kept.backend()["state"] == "ready"
        setattr(second, listener, free_port())
        with second:
            assert second.backend()["backend"] == "none"


def test_one_port_for_both_listeners(kept):
    wanted = kept.control
    kept.control = kept.gateway
    refused_serve(kept, USAGE, kept.gateway)
    kept.control = wanted
    serves_as_before(kept)


def test_control_beyond_loopback(kept):  # the gateway makes itself a key: keys_test.py
    everywhere = f"0.0.0.0:{kept.control}"
    refused_serve(kept, (CREDENTIALS, PRECONDITION), everywhere,
                  words=["--control-listen", everywhere])
    serves_as_before(kept)


# ---------------------------------------------------------------- data directories

def test_a_data_directory_in_use(kept, tmp_path):
    second = Nova(tmp_path / "data")
    with kept:
        kept.wait_state("ready", seconds=30)
        refused_serve(second, PRECONDITION, kept.data, kept.process.pid)
        assert kept.chat() == 200
        # What the clients find their nova by is still the first one's.
        kept.cli("status")
        kept.process.terminate()
        assert kept.process.wait(30) == 0
    serves_as_before(second)


@pytest.mark.parametrize("place", ["file", "below-a-file", "/proc/nova", "/sys/kernel"])
def test_a_data_directory_that_cannot_be_written(tmp_path, place):
    nova = Nova(tmp_path / "data")  # root ignores mode bits: these refuse everybody
    a_file = tmp_path / "a-file"
    a_file.write_text("precious\n")
    nova.data = {"file": a_file, "below-a-file": a_file / "data"}.get(place, place)
    refused_serve(nova, PRECONDITION, nova.data)
    assert a_file.read_text() == "precious\n"


@pytest.mark.parametrize("content", ["nonsense", ""])
def test_a_damaged_install_id(kept, content):
    path = kept.data / "install-id"
    good = path.read_bytes()
    path.write_text(content)
    refused_serve(kept, STORE_DAMAGED, path)
    assert path.read_text() == content
    path.write_bytes(good)
    serves_as_before(kept)


# ---------------------------------------------------------------- the state file

DAMAGE = {
    "random": lambda good: random.Random(1).randbytes(len(good)),
    "half": lambda good: good[:len(good) // 2],
    "text": lambda _: b"this is not a database\n" * 100,
    "empty": lambda _: b"",
    "first-page-only": lambda good: good[:4096],
    "torn-pages": lambda good: good[:4096] + bytes(len(good) - 4096),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_state_file(kept, kind):
    path = kept.data / "nova.db"
    good = path.read_bytes()
    bad = DAMAGE[kind](good)
    path.write_bytes(bad)
    files = set(os.listdir(kept.data))
    refused_serve(kept, STORE_DAMAGED, path)
    assert path.read_bytes() == bad
    # SQLite's own two may stay behind; a restored file must not meet pages of the damaged one.
    assert set(os.listdir(kept.data)) - files <= {"nova.db-shm", "nova.db-wal"}
    log = path.with_name("nova.db-wal")
    assert not log.exists() or log.stat().st_size == 0
    path.write_bytes(good)
    serves_as_before(kept)


def test_the_remedy_for_a_damaged_state_file_works(kept):
    path = kept.data / "nova.db"
    path.write_bytes(b"damage" * 1000)
    remedy = refused_serve(kept, STORE_DAMAGED, path)
    aside = path.with_name("nova.db.damaged")
    assert f"mv {path} {aside}" in remedy
    os.rename(path, aside)
    with kept:
        assert kept.backend()["backend"] == "none"
    assert aside.read_bytes() == b"damage" * 1000


def test_a_newer_schema(kept):
    path = kept.data / "nova.db"
    database = sqlite3.connect(path)
    known = database.execute("PRAGMA user_version").fetchone()[0]
    database.execute("PRAGMA user_version = 99")
    database.close()
    newer = path.read_bytes()
    refused_serve(kept, PRECONDITION, path, 99)
    assert path.read_bytes() == newer
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {known}")
    database.close()
    serves_as_before(kept)


# ---------------------------------------------------------------- secrets and configuration

@pytest.mark.parametrize("content,mode", [("changeme\n", 0o600), ("", 0o600), ("abc\n", 0o600),
                                          (None, 0o644)],
                         ids=["placeholder", "empty", "short", "world-readable"])
def test_a_secret_file_that_protects_nothing(kept, content, mode):
    path = kept.data / "admin-secret"
    good = path.read_text()
    path.write_text(good if content is None else content)
    path.chmod(mode)
    refused_serve(kept, CREDENTIALS, path)
    assert path.read_text() == (good if content is None else content)
    path.write_text(good)
    path.chmod(0o600)
    serves_as_before(kept)


@pytest.mark.parametrize("variable", ["NOVA_ADMIN_SECRET", "ADMIN_SECRET"])
def test_a_placeholder_secret_in_the_environment(kept, variable):
    refused_serve(kept, (USAGE, CREDENTIALS), variable, env={variable: "changeme"})
    serves_as_before(kept)


@pytest.mark.parametrize("words,names", [
    (["--gateway-listen", "localhost"], ["--gateway-listen", "localhost"]),
    (["--gateway-listen", "127.0.0.1:99999"], ["99999"]),
    (["--control-listen", "example.com:1"], ["example.com:1"]),
    (["--workers", "0"], ["--workers"]),
    (["--workers", "many"], ["--workers", "many"]),
    (["--log-level", "loud"], ["--log-level", "loud"]),
    (["--role", "gateway"], ["--role", "gateway"]),
    (["--store", "redis://127.0.0.1:6379"], ["--store", "Redis"]),
    (["--admin-secret-file", "/nowhere/secret"], ["/nowhere/secret"]),
    (["--config", "/nowhere/nova.toml"], ["/nowhere/nova.toml"]),
])
def test_a_wrong_value_for_serve(tmp_path, words, names):
    nova = Nova(tmp_path / "data")
    refused_serve(nova, (USAGE, PRECONDITION), *names, words=words)
    assert os.listdir(nova.data) == []


@pytest.mark.parametrize("text,names", [
    ("no_such_key = 1\n", ["no_such_key"]),
    ("[settings]\ndrain_s = 99999\n", ["drain_s"]),
    ("[settings]\nno_such_setting = 1\n", ["no_such_setting"]),
    ("= = =\n", []),
], ids=["key", "bounds", "setting", "syntax"])
def test_a_wrong_configuration_file(tmp_path, text, names):
    nova = Nova(tmp_path / "data")
    path = tmp_path / "nova.toml"
    path.write_text(text)
    refused_serve(nova, USAGE, path, *names, words=["--config", path])


# ---------------------------------------------------------------- nova not running, and usage

@pytest.mark.parametrize("words", [["status"], ["stop"], ["start", "llamacpp", "--model", "x"],
                                   ["switch", "llamacpp", "--model", "x"], ["logs"],
                                   ["chat", "hi"], ["operations"]], ids=lambda words: words[0])
def test_nova_is_not_running(tmp_path, words):
    nova = Nova(tmp_path / "data")
    nova.data.rmdir()
    refused(nova.cli(*words, check=False), NOT_REACHABLE, nova.data)
    assert not nova.data.exists()


def test_nova_was_killed(kept):
    kept.serve()
    kept.process.kill()
    kept.process.wait()
    refused(kept.cli("status", check=False), NOT_REACHABLE, kept.data)
    serves_as_before(kept)


@pytest.mark.parametrize("words,name", [
    (["frobnicate"], "frobnicate"),
    (["start"], "engine"),
    (["start", "llamacpp", "--frob"], "--frob"),
    (["start", "llamacpp", "--option", "context"], "context"),
    (["stop", "--wait", "--timeout", "soon"], "timeout"),
    (["serve", "--no-such-option"], "--no-such-option"),
])
def test_wrong_usage(kept, words, name):
    with kept:
        kept.wait_state("ready", seconds=30)
        done = kept.cli(*words, check=False)
        assert done.returncode == USAGE, done.stderr
        assert name.lower() in done.stderr.lower()
        assert "terminate called" not in done.stderr
        assert kept.backend()["state"] == "ready"


def test_nothing_but_its_name():
    done = subprocess.run([nova_binary()], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode in (0, USAGE)
    assert "nova up" in done.stdout + done.stderr or "nova --help" in done.stderr
