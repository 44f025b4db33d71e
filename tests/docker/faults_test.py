"""What other people, full disks and bad networks do to containers: state, words, what nova did.

docs/docker.md has the table; each row names its test here.
"""
import json
import signal
import subprocess
import time

import pytest

from docker_fixture import Daemon, DockerNova, Registry, Wire, request, until
from fake_llama import write_gguf
from journey_test import expect_running, operation
from nova_fixture import BACKEND, LONG

AWAY_SECONDS = 60 if LONG else 20
QUICK = {"NOVA_PROBE_INTERVAL_S": "1", "NOVA_PROBE_LIMIT_S": "1", "NOVA_PROBE_STRIKES": "2"}


@pytest.fixture
def gguf(tmp_path):
    return write_gguf(tmp_path / "a.gguf")


@pytest.fixture
def quick(tmp_path, clean, fakes):
    """A nova that looks each second."""
    with DockerNova(tmp_path / "data", clean, fakes, QUICK) as running:
        yield running


def ask(nova, engine, model):
    """Asks for a start; the id of its operation."""
    status, _, body = request(nova.control, "POST", f"{BACKEND}/{engine}/start",
                              {"model": str(model)}, headers={"X-Admin-Secret": nova.secret()})
    assert status == 202, body
    return json.loads(body)["operation"]


def failure_of(nova, key, seconds=120):
    """The error of an operation that ends badly."""
    def over():
        row = operation(nova, key)
        assert row["state"] != "succeeded", row
        return row if row["state"] in ("failed", "rolled_back") else None

    error = until(over, seconds, "the end of the operation")["error"]
    print(json.dumps(error))
    assert error["remedy"], error
    return error


def told(nova, seconds=60):
    """The error nova shows while it waits before the next try, or after it gave up."""
    error = until(lambda: nova.backend().get("error"), seconds, "an error")
    print(json.dumps(error))
    assert error["remedy"], error
    return error


def anew(nova, docker, before, seconds=90):
    """Another container serves; the words about the old one are in the log or status."""
    def served():
        now = docker.docker("ps", "-q", "--no-trunc")
        document = nova.backend()
        return now and now != before and document["state"] == "ready"

    until(served, seconds, "another container")
    expect_running(nova, "llamacpp")


def said(nova, words):
    """The line of nova's log that says why."""
    lines = [line for line in nova.log().splitlines() if words in line]
    assert lines, f"nowhere in nova's log: {words}\n{nova.log()[-3000:]}"
    print(lines[0])


# ---- the image

def test_an_image_that_is_not_there(nova, registry, docker, gguf):
    nova.start("vllm", "--model", "acme/tiny")
    nova.cli("config", "set", "docker.images", f"llamacpp={registry.name('no-such-image')},"
             f"vllm={registry.name('vllm')}")
    error = failure_of(nova, ask(nova, "llamacpp", gguf))
    assert error["code"] == "image_not_found"
    assert "no-such-image" in error["detail"] and "docker.images" in error["remedy"]
    expect_running(nova, "vllm")  # prepared first: what served was never stopped


def test_a_registry_that_is_slow_and_then_cut_at_63_percent(tmp_path, clean, registry, fakes, gguf):
    wire = Wire(registry.port)
    size = registry.bytes_of("llamacpp")
    wire.rate = size / 4
    wire.budget = int(size * 0.63)
    name = wire.name("llamacpp")
    clean.docker("rmi", "-f", *set(clean.docker("images", "-q").split()), check=False)
    env = {"NOVA_DOWNLOAD_STALL_S": "8"}
    with DockerNova(tmp_path / "data", clean, {**fakes, "llamacpp": name}, env) as nova:
        nova.start("vllm", "--model", "acme/tiny")
        error = failure_of(nova, ask(nova, "llamacpp", gguf))
        assert error["code"] in ("pull_stalled", "registry_unreachable"), error
        if error["code"] == "pull_stalled":
            at = int(error["detail"].split(" %")[0].split()[-1])
            assert 55 <= at <= 66, error
        expect_running(nova, "vllm")
        before = wire.passed
        wire.budget, wire.rate = None, None
        nova.start("llamacpp", "--model", gguf)
        expect_running(nova, "llamacpp")
        print(f"before the cut {before} bytes, in all {wire.passed}")
    wire.close()


def test_a_registry_that_wants_to_know_who_asks(tmp_path, clean, fakes, gguf):
    login = tmp_path / "login"
    with Registry("me", "open sesame") as closed:
        name = closed.name("llamacpp")
        clean.docker("pull", fakes["llamacpp"])
        clean.docker("tag", fakes["llamacpp"], name)
        clean.docker("--config", login, "login", "-u", "me", "-p", "open sesame",
                     f"127.0.0.1:{closed.port}")
        clean.docker("--config", login, "push", name)
        clean.docker("rmi", "-f", name)
        with DockerNova(tmp_path / "data", clean, {"llamacpp": name},
                        {"DOCKER_CONFIG": str(tmp_path / "nobody")}) as nova:
            error = failure_of(nova, ask(nova, "llamacpp", gguf))
            assert error["code"] == "image_refused" and "docker login" in error["remedy"]
        with DockerNova(tmp_path / "data2", clean, {"llamacpp": name},
                        {"DOCKER_CONFIG": str(login)}) as nova:
            nova.start("llamacpp", "--model", gguf)
            expect_running(nova, "llamacpp")
            assert "sesame" not in nova.log()


def test_a_pull_that_is_cancelled(tmp_path, clean, registry, fakes, gguf):
    wire = Wire(registry.port)
    wire.rate = 300_000
    clean.docker("rmi", "-f", *set(clean.docker("images", "-q").split()), check=False)
    with DockerNova(tmp_path / "data", clean, {"llamacpp": wire.name("llamacpp")}) as nova:
        key = ask(nova, "llamacpp", gguf)
        until(lambda: any(p["id"] == "image" and p.get("done") for p in
                          operation(nova, key)["phases"]), 30, "bytes of a layer")
        status, _, body = request(
            nova.control, "DELETE", f"/recovery-api/api/v1/recovery/inference/operations/{key}",
            headers={"X-Admin-Secret": nova.secret()})
        assert status in (200, 202, 204), body
        until(lambda: operation(nova, key)["state"] == "cancelled", 20, "the cancel")
        time.sleep(1)
        before = wire.passed
        time.sleep(2)
        assert wire.passed - before < 400_000  # Docker's own buffer, and then nothing
        assert clean.docker("images", "-q") == ""
    wire.close()


def test_a_disk_that_is_too_small(tmp_path, docker, fakes, gguf):
    disk, folder = tmp_path / "disk", tmp_path / "small"
    folder.mkdir()
    with open(disk, "wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, folder], check=True)
    try:
        with Daemon("--bridge=none", "--iptables=false", data=folder / "docker") as small:
            for reserve in ("512", "0"):
                env = {"NOVA_DOWNLOAD_RESERVE_MIB": reserve}
                with DockerNova(tmp_path / f"data{reserve}", small, fakes, env) as nova:
                    key = ask(nova, "llamacpp", gguf)
                    error = told(nova)
                    assert error["code"] == "disk_full", error
                    assert "docker system df" in error["remedy"]
                    assert operation(nova, key)["state"] in ("failed", "running")
                    assert small.ps() == {}
    finally:
        subprocess.run(["umount", folder], check=True)
        docker.restart()  # the other daemon took the bridge of both away


# ---- the container

def test_a_name_that_a_stranger_has(nova, docker, fakes, gguf):
    docker.docker("run", "-d", "--name", "nova-llamacpp", fakes["llamacpp"])
    ask(nova, "llamacpp", gguf)
    error = told(nova)
    assert error["code"] == "name_taken", error
    assert "not nova's" in error["detail"] and "docker rename nova-llamacpp" in error["remedy"]
    assert docker.ps() == {"nova-llamacpp": "running"}  # the stranger's, as it was
    docker.docker("rename", "nova-llamacpp", "somebody-elses")
    nova.start("llamacpp", "--model", gguf)
    assert docker.ps() == {"nova-llamacpp": "running", "somebody-elses": "running"}
    docker.docker("rm", "-f", "somebody-elses")


def test_a_container_that_is_killed(nova, docker, gguf):
    nova.start("llamacpp", "--model", gguf)
    before = docker.docker("ps", "-q", "--no-trunc")
    docker.docker("kill", "nova-llamacpp")
    anew(nova, docker, before)
    said(nova, "was killed by signal 9")


def test_a_container_that_is_removed(nova, docker, gguf):
    nova.start("llamacpp", "--model", gguf)
    before = docker.docker("ps", "-q", "--no-trunc")
    docker.docker("rm", "-f", "nova-llamacpp")
    anew(nova, docker, before)
    said(nova, "was removed by somebody else")


def test_a_container_that_is_paused(quick, docker, gguf):
    quick.start("llamacpp", "--model", gguf)
    before = docker.docker("ps", "-q", "--no-trunc")
    docker.docker("pause", "nova-llamacpp")
    anew(quick, docker, before)
    said(quick, "Somebody paused the container nova-llamacpp.")


def test_a_container_whose_memory_runs_out(nova, docker, tmp_path, gguf):
    nova.start("llamacpp", "--model", gguf)
    before = docker.docker("ps", "-q", "--no-trunc")
    docker.docker("update", "--memory", "64m", "--memory-swap", "64m", "nova-llamacpp")
    knobs = tmp_path / "fake_engine.state.json"
    knobs.write_text(json.dumps({"hold_mib": 200}))
    docker.docker("cp", knobs, "nova-llamacpp:/fake_engine.state.json")
    anew(nova, docker, before)
    said(nova, "memory ran out")


# ---- the daemon

def test_a_daemon_that_is_restarted(nova, docker, gguf):
    nova.start("llamacpp", "--model", gguf)
    before = docker.docker("ps", "-q", "--no-trunc")
    docker.restart()
    anew(nova, docker, before)


def test_a_daemon_that_is_away(nova, docker, gguf):
    """It hangs: what serves goes on serving, wishes wait or fail with words, nothing is doubled."""
    nova.start("llamacpp", "--model", gguf)
    before = docker.docker("ps", "-q", "--no-trunc")
    docker.process.send_signal(signal.SIGSTOP)
    try:
        end = time.monotonic() + AWAY_SECONDS
        while time.monotonic() < end:
            assert nova.chat() == 200
            assert nova.backend()["state"] == "ready"
            time.sleep(1)
    finally:
        docker.process.send_signal(signal.SIGCONT)
    expect_running(nova, "llamacpp")
    assert docker.docker("ps", "-q", "--no-trunc") == before
    nova.cli("stop", "--wait")
    assert docker.ps() == {}


def test_a_daemon_that_is_away_does_not_keep_nova(clean, fakes, tmp_path, gguf):
    """It ends after the drain and what an engine may take; the next one finds the container."""
    with DockerNova(tmp_path / "data", clean, fakes, {"NOVA_DRAIN_S": "0"}) as nova:
        nova.start("llamacpp", "--model", gguf)
        before = clean.docker("ps", "-q", "--no-trunc")
        clean.process.send_signal(signal.SIGSTOP)
        try:
            nova.process.terminate()
            assert nova.process.wait(60) == 0
            assert "nova.left_behind" in nova.log()
        finally:
            clean.process.send_signal(signal.SIGCONT)
        nova.serve()
        nova.wait_state("ready")
        assert clean.docker("ps", "-q", "--no-trunc") == before
        nova.cli("stop", "--wait")
        assert clean.ps() == {}


def test_a_daemon_that_is_gone_when_something_is_wanted(nova, docker, gguf):
    docker.stop()
    try:
        nova.cli("config", "set", "runtime", "docker")
        ask(nova, "llamacpp", gguf)
        error = told(nova)
        assert error["code"] == "docker_unavailable", error
        assert "systemctl start docker" in error["remedy"] or "docker.host" in error["remedy"]
    finally:
        docker.start()
    nova.start("llamacpp", "--model", gguf)
    expect_running(nova, "llamacpp")
