"""nova up, down and what a person types in between, with the engine a person has: on PATH."""
import json
import os
import subprocess

import pytest

from fake_llama import FakeLlama, write_gguf
from nova_fixture import Nova, nova_binary, processes_with, request, until

PRECONDITION, NOT_REACHABLE = 7, 3


class Daemon(Nova):
    """A nova that `nova up` leaves behind; nobody's child."""

    def up(self, *words, check=True, **env):
        self.env.update(env)
        return self.cli("up", "--gateway-listen", f"127.0.0.1:{self.gateway}",
                        "--control-listen", f"127.0.0.1:{self.control}", *words, check=check)

    def pid(self):
        return json.loads((self.data / "runtime.json").read_text())["pid"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cli("down", check=False)

    def log(self):
        path = self.data / "nova.log"
        return path.read_text(errors="replace") if path.exists() else ""


@pytest.fixture
def fresh(tmp_path):
    llama = FakeLlama(tmp_path / "bin")
    with Daemon(tmp_path / "data", [llama.folder]) as nova:
        nova.env["NOVA_ENGINES_DIR"] = str(tmp_path / "no-cache")
        nova.model = write_gguf(tmp_path / "small.gguf")
        yield nova


def test_up_answers_and_leaves_a_daemon_that_down_ends(fresh):
    done = fresh.up("--model", fresh.model)
    assert "tokens/s" in done.stdout
    assert f"http://127.0.0.1:{fresh.gateway}/v1" in done.stdout
    pid = fresh.pid()
    assert os.getsid(pid) == pid, "the daemon has to outlive the terminal's session"
    assert request(fresh.gateway, "GET", "/health/ready")[0] == 200
    assert fresh.engine_pids()

    again = fresh.up()
    assert "runs already" in again.stdout and "serves" in again.stdout
    assert fresh.pid() == pid
    assert len(fresh.engine_pids()) == 1

    marker = fresh.data.joinpath("install-id").read_text().strip()
    assert fresh.cli("down").returncode == 0
    assert not os.path.exists(f"/proc/{pid}/exe")
    until(lambda: processes_with(marker) == [], what="the engine's end")
    assert fresh.cli("status", check=False).returncode == NOT_REACHABLE
    assert "not running" in fresh.cli("down").stdout


def test_up_with_json_prints_one_object(fresh):
    done = fresh.up("--model", fresh.model, "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True and told["engine"] == "llamacpp"
    assert told["answer"] and told["tokens_per_s"] > 0
    assert told["pid"] == fresh.pid()


def test_up_takes_up_what_ran_before(fresh):
    fresh.up("--model", fresh.model)
    fresh.cli("down")
    fresh.up()
    assert fresh.backend()["state"] == "ready"


def test_up_without_a_model_says_what_to_do(fresh):
    done = fresh.up(check=False)
    assert done.returncode == PRECONDITION
    assert "setup.sh" in done.stderr and "--model" in done.stderr
    assert not (fresh.data / "runtime.json").exists(), "nothing was left running"


def test_up_takes_the_model_of_the_environment(fresh):
    fresh.up(DEFAULT_CHAT_MODEL=str(fresh.model))
    assert fresh.backend()["state"] == "ready"


def test_up_in_cloud_only_mode_starts_no_engine(fresh):
    done = fresh.up(NOVA_INFERENCE_MODE="cloud-only")
    assert "nova stays up" in done.stdout
    assert fresh.backend()["backend"] == "none"
    assert fresh.engine_pids() == []


def test_up_shows_why_the_daemon_ended(fresh):
    with Nova(fresh.data.parent / "other") as other:
        fresh.gateway = other.gateway
        done = fresh.up("--model", fresh.model, check=False)
        assert done.returncode == PRECONDITION
        assert str(other.gateway) in done.stderr
        assert "nova.log" in done.stderr


def test_chat_logs_and_events(fresh):
    fresh.up("--model", fresh.model)
    answer = fresh.cli("chat", "hello", "--stats")
    assert answer.stdout.strip() and "tokens/s" in answer.stderr
    told = json.loads(fresh.cli("chat", "hello", "--json").stdout)
    assert told["content"] and told["tokens"] > 0
    piped = subprocess.run(
        [nova_binary(), "chat", "--data-dir", fresh.data], input="hello\n", text=True,
        env=fresh.env, capture_output=True, timeout=60, check=False)
    assert piped.returncode == 0 and piped.stdout.strip(), piped.stderr
    assert fresh.cli("logs", "--tail", "5").returncode == 0
    with subprocess.Popen([nova_binary(), "events", "--since", "0", "--json", "--data-dir",
                           fresh.data], stdout=subprocess.PIPE, text=True, env=fresh.env) as events:
        seen = [json.loads(events.stdout.readline()) for _ in range(4)]
        events.terminate()
    assert seen[0]["event"] == "hello"
    ids = [event["data"]["id"] for event in seen[1:]]
    assert ids == sorted(ids)

