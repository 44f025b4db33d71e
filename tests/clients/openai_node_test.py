"""Runs the official openai npm client, each of its checks as a test of its own."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from nova_fixture import engine_dir

HERE = pathlib.Path(__file__).parent
CHECKS = ("unary", "stream", "include_usage", "abandoned_stream", "json_schema", "models",
          "unknown_model", "malformed_body", "embeddings")


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """A folder with the script and the client, as package-lock.json pins it."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "openai_node.mjs"):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder,
                          env=node_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
    return folder


def node_environment():
    return {**os.environ, "PATH": f"{engine_dir('node') / 'bin'}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def results(node_folder, request):
    """Runs the script once for each backend, when the first of its checks is asked for."""
    ran = {}

    def of(backend):
        if backend not in ran:
            nova = request.getfixturevalue(backend)
            done = subprocess.run(["node", "openai_node.mjs", nova.base_url, nova.model()],
                                  cwd=node_folder, env=node_environment(), capture_output=True,
                                  text=True, timeout=600, check=False)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            ran[backend] = {line["name"]: line for line in lines}
            assert ran[backend], f"the script printed nothing:\n{done.stderr}"
        return ran[backend]

    return of


@pytest.mark.parametrize("backend", ["llama", "ollama"])
@pytest.mark.parametrize("check", CHECKS)
def test_node(results, backend, check):
    result = results(backend)[check]
    assert result["passed"], result["why"]


def test_every_check_of_the_script_is_listed(results):
    assert set(results("llama")) == set(CHECKS)
