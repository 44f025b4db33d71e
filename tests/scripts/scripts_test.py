"""setup.sh keeps what is not its own in .env; engines.sh and packages.sh say what to do."""
import os
import pathlib
import shutil
import stat
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path):
    """A folder with setup.sh in it and nothing else."""
    shutil.copy(ROOT / "setup.sh", tmp_path)
    return tmp_path


def setup(clone, *words, **environment):
    env = {k: v for k, v in os.environ.items() if k != "NOVA_INFERENCE_MODE"}
    return subprocess.run(["./setup.sh", "--derive-mode-only", *words], cwd=clone, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          env={**env, **environment})


def env_lines(clone):
    return (clone / ".env").read_text().splitlines()


def test_without_a_terminal_the_mode_is_hybrid(clone):
    assert setup(clone).returncode == 0
    assert env_lines(clone) == ["NOVA_INFERENCE_MODE=hybrid", "COMPOSE_PROFILES=local-ollama",
                                "LLM_ROUTING_STRATEGY=local-first"]
    assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode,profiles,strategy", [
    ("hybrid", "mine,local-ollama", "local-first"),
    ("local-only", "mine,local-ollama", "local-only"),
    ("cloud-only", "mine", "cloud-only")])
def test_a_mode_derives_profiles_and_strategy(clone, mode, profiles, strategy):
    (clone / ".env").write_text("COMPOSE_PROFILES=mine,local-ollama\n")
    assert setup(clone, "--mode", mode).returncode == 0
    assert f"COMPOSE_PROFILES={profiles}" in env_lines(clone)
    assert f"LLM_ROUTING_STRATEGY={strategy}" in env_lines(clone)
    assert f"NOVA_INFERENCE_MODE={mode}" in env_lines(clone)


@pytest.mark.parametrize("before,mode,profiles", [
    ("web,local-vllm", "hybrid", "web,local-vllm"),
    ("local-sglang,web,local-ollama", "local-only", "web,local-sglang"),
    ("local-llamacpp", "cloud-only", ""),
    ("local-mine", "hybrid", "local-mine,local-ollama")])
def test_one_engine_of_ours_is_selected_and_it_is_the_one_that_was(clone, before, mode, profiles):
    (clone / ".env").write_text(f"COMPOSE_PROFILES={before}\n")
    assert setup(clone, "--mode", mode).returncode == 0
    assert f"COMPOSE_PROFILES={profiles}" in env_lines(clone)


def choose_runtime(clone, docker, *words):
    """setup.sh's choice with a PATH whose docker is this script; None: there is none."""
    bin_folder = clone / "bin"
    bin_folder.mkdir()
    for tool in ("bash", "dirname", "timeout", "sleep"):
        (bin_folder / tool).symlink_to(shutil.which(tool))
    if docker is not None:
        (bin_folder / "docker").write_text(f"#!/bin/bash\n{docker}\n")
        (bin_folder / "docker").chmod(0o755)
    return subprocess.run(["./setup.sh", "--choose-runtime-only", *words], cwd=clone, text=True,
                          capture_output=True, check=False,
                          env={"PATH": str(bin_folder), "USER": "me"})


@pytest.mark.parametrize("docker,where,why", [
    (None, "native", "not installed"),
    ("echo 28.2.2", "containers", "Docker 28.2.2 answers"),
    ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "native", "does not answer"),
    ("echo 'permission denied while trying to connect' >&2; exit 1", "native",
     "usermod -aG docker me")])
def test_engines_run_in_docker_where_it_answers_and_the_reason_is_said(clone, docker, where, why):
    done = choose_runtime(clone, docker)
    assert done.returncode == 0, done.stderr
    assert where in done.stdout and why in done.stdout, done.stdout


def whole_setup(clone, nova, *words, home=None):
    """All of setup.sh where Docker answers, with stand-ins for what it calls; the calls."""
    calls = clone / "calls"
    bin_folder = clone / "bin"
    for path, script in (
            (bin_folder / "docker", "echo 28.2.2"), (bin_folder / "cmake", ""),
            (clone / "tools" / "packages.sh", ""),
            (clone / "tools" / "engines.sh", 'echo "engines $*" >>calls; echo /engine'),
            (clone / "build" / "release" / "nova",
             f'echo "nova $* ${{NOVA_RUNTIME:-}}" >>calls\n{nova}')):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    done = subprocess.run(["./setup.sh", "--mode", "hybrid", *words], cwd=clone, text=True,
                          capture_output=True, check=False,
                          env={"PATH": f"{bin_folder}:/usr/bin:/bin", "USER": "me",
                               "HOME": str(home or clone / "home")})
    return done, [line for line in calls.read_text().splitlines() if "print-dir" not in line]


FAILS_IN_DOCKER = '[[ $1 != up || $NOVA_RUNTIME != docker ]]'


def test_docker_that_cannot_fetch_the_image_is_no_end(clone):
    done, calls = whole_setup(clone, FAILS_IN_DOCKER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert calls == ["engines model", "nova up docker", "nova stop ", "nova down ",
                     "engines llamacpp", "nova up process"]
    assert "native programs: no engine started in Docker" in done.stdout


def test_docker_that_was_asked_for_is_not_replaced(clone):
    done, calls = whole_setup(clone, FAILS_IN_DOCKER, "--runtime", "docker")
    assert done.returncode == 1 and calls == ["engines model", "nova up docker"]


def test_what_ran_before_is_not_replaced(clone):
    data = clone / "home" / ".local" / "share" / "nova"
    data.mkdir(parents=True)
    (data / "nova.db").touch()
    done, calls = whole_setup(clone, FAILS_IN_DOCKER, home=clone / "home")
    assert done.returncode == 1 and calls == ["engines model", "nova up docker"]
    assert "--runtime native" in done.stdout


def test_a_first_setup_that_was_broken_off_is_no_run_before(clone):
    home = clone / "home"
    for path in (home / ".local/share/nova/nova.db", home / ".cache/nova/setup-unfinished"):
        path.parent.mkdir(parents=True)
        path.touch()
    done, calls = whole_setup(clone, FAILS_IN_DOCKER, home=home)
    assert done.returncode == 0 and calls[-1] == "nova up process"
    assert not (home / ".cache/nova/setup-unfinished").exists()


def test_docker_that_works_is_left_alone(clone):
    done, calls = whole_setup(clone, "")
    assert done.returncode == 0 and calls == ["engines model", "nova up docker"]
    assert done.stdout.splitlines()[-1].startswith("==> done in")


def test_the_runtime_can_be_said(clone):
    assert "native programs: you said so" in choose_runtime(
        clone, "echo 28", "--runtime", "native").stdout


def test_a_runtime_nobody_knows_is_refused(clone):
    done = choose_runtime(clone, None, "--runtime=kvm")
    assert done.returncode == 2 and "docker or native" in done.stderr


def test_lines_of_others_stay_as_they_are(clone):
    others = ["# mine", "HF_TOKEN=a b=c\\n\"d\"", "", "NOT A PAIR", "POSTGRES_PASSWORD=x"]
    (clone / ".env").write_text("\n".join(others))
    assert setup(clone, "--mode=local-only").returncode == 0
    assert env_lines(clone)[:5] == others


def test_a_second_run_keeps_the_mode_and_the_file(clone):
    setup(clone, "--mode", "cloud-only")
    before = (clone / ".env").stat()
    assert setup(clone).returncode == 0
    assert "NOVA_INFERENCE_MODE=cloud-only" in env_lines(clone)
    after = (clone / ".env").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_the_environment_overrides_the_file(clone):
    setup(clone, "--mode", "cloud-only")
    setup(clone, NOVA_INFERENCE_MODE="local-only")
    assert "NOVA_INFERENCE_MODE=local-only" in env_lines(clone)


def test_an_unknown_mode_is_a_usage_error(clone):
    done = setup(clone, "--mode", "fast")
    assert done.returncode == 2
    assert "hybrid, local-only or cloud-only" in done.stderr
    assert not (clone / ".env").exists()


def test_leaves_no_temporary_file(clone):
    setup(clone)
    assert sorted(p.name for p in clone.iterdir()) == [".env", "setup.sh"]


def engines(tmp_path, *words, **environment):
    return subprocess.run(
        [ROOT / "tools" / "engines.sh", *words], text=True, capture_output=True, check=False,
        env={**os.environ, "NOVA_ENGINES_DIR": str(tmp_path), **environment})


def test_an_index_that_cannot_be_reached(tmp_path):
    done = engines(tmp_path, "go", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0",
                   PIP_FIND_LINKS="", PIP_CONFIG_FILE="/dev/null")
    assert done.returncode == 1
    assert "NOVA_WHEELS=FOLDER tools/engines.sh go" in done.stderr
    assert not any(p.name.startswith((".new-", "go-")) for p in tmp_path.iterdir())


def test_an_engine_that_is_there_is_used(tmp_path):
    (tmp_path / "go-1.27.3").mkdir()
    began = time.monotonic()
    done = engines(tmp_path, "go", "--print-dir", PIP_INDEX_URL="http://127.0.0.1:9/")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/go-1.27.3\n")
    assert time.monotonic() - began < 5


def test_an_unknown_engine_and_none(tmp_path):
    assert "use one of llamacpp" in engines(tmp_path, "vllm").stderr
    assert engines(tmp_path).returncode == 2


def test_packages_without_a_group():
    done = subprocess.run([ROOT / "tools" / "packages.sh"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and "usage" in done.stderr
