"""A switch to what cannot run: rolled back and serving, explained, and never tried again."""
import json
import os
import subprocess
import sys

import pytest

from nova_fixture import LONG, ROOT, Nova, engine_dir, model_path, nova_binary, timed
from refusals import ROLLED_BACK, refused

sys.path.insert(0, str(ROOT / "tests" / "scripts"))
from provoke_failures import CASES  # noqa: E402

START_LIMIT_S = 20
STALL_LIMIT_S = 15  # shorter, so that the start limit decides how long both of them take
PATIENCE_S = 90
ARCHITECTURE = b"general.architecture" + b"\x08\0\0\0" + b"\x05\0\0\0\0\0\0\0"
SOME = ("llamacpp-model-cut", "llamacpp-flag-unknown", "llamacpp-port-taken",
        "ollama-port-taken", "ollama-model-not-found")

# A llama-server that is the real one, but for a context of the number in the file "odd".
WRAPPER = """#!{python}
import json, os, pathlib, signal, sys
args = sys.argv[1:]
odd = json.loads(pathlib.Path({folder!r}, "odd").read_text())
if args[args.index("--ctx-size") + 1] == odd["context"]:
    if odd["how"] in ("stalls", "silent"):
        print("load_tensors: loading" if odd["how"] == "stalls" else "hello", flush=True)
        signal.pause()
    args += ["--port", str(odd["port"])]
os.environ["LD_LIBRARY_PATH"] = {engine!r}
os.execv({engine!r} + "/llama-server", ["llama-server", *args])
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """(nova that serves a real llama.cpp, folder of the wrapper)."""
    root = tmp_path_factory.mktemp("failing")
    folder = root / "bin"
    folder.mkdir()
    program = folder / "llama-server"
    program.write_text(WRAPPER.format(python=sys.executable, folder=str(folder),
                                      engine=str(engine_dir("llamacpp"))))
    program.chmod(0o755)
    turn(folder, "as it is")
    spec = json.loads((ROOT / "data" / "engines" / "llamacpp.json").read_text())
    spec["start_limit_s"] = START_LIMIT_S
    engines = root / "data" / "engines"
    engines.mkdir(parents=True)
    (engines / "llamacpp.json").write_text(json.dumps(spec))
    env = {"NOVA_START_LIMIT_S": str(START_LIMIT_S), "NOVA_STALL_LIMIT_S": str(STALL_LIMIT_S)}
    with Nova(root / "data", [folder], env) as nova:
        nova.start("llamacpp", "--model", model_path())
        yield nova, folder


def turn(folder, how, port=0, context="1024"):
    fresh = folder / "odd.new"
    fresh.write_text(json.dumps({"how": how, "port": port, "context": context}))
    os.replace(fresh, folder / "odd")


def runs(nova):
    """The logs of the starts so far, but for old ones that nova deleted."""
    return sorted(path.name for path in (nova.data / "logs").glob("local-*.log"))


def newest_operation(nova):
    return json.loads(nova.cli("operations", "--json").stdout)["operations"][0]


def told_everywhere(nova, document, operation):
    """The backend serves again, and why it had to roll back can still be seen."""
    error = operation["error"]
    assert "error" not in document
    failure = document["last_failure"]
    assert failure["rolled_back"] and failure["target"] == operation["target"]
    assert (failure["detail"], failure["remedy"]) == (error["detail"], error["remedy"])
    for command in ("status", "doctor"):
        told = nova.cli(command, check=False).stdout
        assert error["detail"] in told and error["remedy"] in told, told


def switched_back(nova, failure, words, *wish):
    """Switches, and asserts the whole promise; the operation's error."""
    before = nova.backend()
    done = nova.cli("switch", "llamacpp", "--model", *map(str, wish), "--wait", check=False)
    refused(done, ROLLED_BACK, words)
    assert "What ran before runs again." in done.stderr
    document = nova.wait_state("ready", seconds=PATIENCE_S)
    assert (document["model"], document["backend"]) == (before["model"], before["backend"])
    assert nova.chat() == 200
    operation = newest_operation(nova)
    assert operation["state"] == "rolled_back"
    error = operation["error"]
    told_everywhere(nova, document, operation)
    assert error.get("failure") == failure and words in error["detail"], error
    assert error["remedy"].endswith(".") and error["log_excerpt"]
    assert error["log_excerpt"].splitlines()[-1] in done.stderr
    # Its log stays, whatever else is deleted, and the next nova does not try it again.
    kept = nova.data / "logs" / "failed-local.log"
    assert error["log_excerpt"].splitlines()[0] in kept.read_text(errors="replace")
    starts = runs(nova)
    nova.process.kill()
    nova.process.wait()
    nova.serve()
    again = nova.wait_state("ready", seconds=PATIENCE_S)
    assert again["model"] == before["model"] and nova.chat() == 200
    assert set(runs(nova)) <= set(starts), "something was started although what is wanted ran"
    assert newest_operation(nova)["id"] == operation["id"]
    told_everywhere(nova, again, operation)
    assert len(nova.engine_pids()) == 1
    return error


def test_a_file_the_engine_cannot_read(serving, tmp_path):
    nova, _ = serving
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(model_path().read_bytes().replace(
        ARCHITECTURE + b"llama", ARCHITECTURE + b"llamo", 1))
    error = switched_back(nova, "llamacpp-architecture-unknown", "llamo", broken)
    assert "newer llama.cpp" in error["remedy"] and error["confidence"] == "high"


def test_a_file_that_is_cut_is_refused_before_anything_is_touched(serving, tmp_path):
    nova, _ = serving
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model_path().read_bytes()[:50_000_000])
    starts = runs(nova)
    done = nova.cli("switch", "llamacpp", "--model", cut, "--wait", check=False)
    assert done.returncode not in (0, ROLLED_BACK) and "cut.gguf" in done.stderr
    assert nova.backend()["state"] == "ready" and nova.chat() == 200
    assert runs(nova) == starts


def test_a_refused_flag(serving):
    nova, _ = serving
    error = switched_back(nova, "llamacpp-cache-type-bad", "q9_9", model_path(), "--option",
                          "flag.cache-type-k=q9_9")
    assert "flag.cache-type-k" in error["remedy"]


def test_a_taken_port(serving):
    nova, folder = serving
    turn(folder, "port", nova.gateway)
    error = switched_back(nova, "llamacpp-port-taken", "port", model_path(), "--option",
                          "context=1024")
    assert "let nova choose" in error["remedy"]


@pytest.mark.parametrize("how,words", [("stalls", "no progress for"), ("silent", "start limit")])
def test_one_that_loads_for_ever(serving, how, words):
    nova, folder = serving
    turn(folder, how)
    _, seconds = timed(lambda: switched_back(nova, None, words, model_path(), "--option",
                                             "context=1024"))
    assert seconds >= START_LIMIT_S


@pytest.mark.parametrize("name", CASES if LONG else SOME)
def test_a_real_engine_still_says_what_the_data_claims(name):
    script = ROOT / "tests" / "scripts" / "provoke_failures.py"
    done = subprocess.run([sys.executable, script, name], capture_output=True, text=True,
                          env={**os.environ, "NOVA_BIN": str(nova_binary())}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name}: ok" in done.stdout or "cannot be provoked here" in done.stdout
