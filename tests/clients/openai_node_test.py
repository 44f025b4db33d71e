"""Runs the openai npm client and the Vercel AI SDK, each of their checks a test of its own."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from nova_fixture import engine_dir

HERE = pathlib.Path(__file__).parent
CHECKS = {
    "openai_node.mjs": ("unary", "stream", "include_usage", "abandoned_stream", "json_schema",
                        "models", "unknown_model", "malformed_body", "embeddings"),
    "vercel_node.mjs": ("generate", "stream", "anthropic_generate", "anthropic_stream", "object",
                        "embed", "unknown_model", "abandoned_stream"),
}
TOOL_CHECKS = ("tool", "tool_in_a_stream", "anthropic_tool")
ALL = [(script, check) for script, checks in CHECKS.items() for check in checks]


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """A folder with the script and the client, as package-lock.json pins it."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", *CHECKS):
        shutil.copy(HERE / name, folder)
    done = subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder,
                          env=node_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
    return folder


def node_environment():
    return {**os.environ, "PATH": f"{engine_dir('node') / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def run(folder, script, nova, *words):
    """The script's lines by the names of their checks."""
    done = subprocess.run(["node", script, nova.base_url, nova.model(), *words], cwd=folder,
                          env=node_environment(), capture_output=True, text=True, timeout=600,
                          check=False)
    lines = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert lines, f"the script printed nothing:\n{done.stderr}"
    return lines


@pytest.fixture(scope="session")
def results(node_folder, request):
    """Runs a script once for each backend, when the first of its checks is asked for."""
    ran = {}

    def of(script, backend, *words):
        if (script, backend) not in ran:
            ran[script, backend] = run(node_folder, script, request.getfixturevalue(backend),
                                       *words)
        return ran[script, backend]

    return of


@pytest.mark.parametrize("backend", ["llama", "ollama"])
@pytest.mark.parametrize("script, check", ALL)
def test_node(results, script, backend, check):
    result = results(script, backend)[check]
    assert result["passed"], result["why"]


@pytest.mark.parametrize("backend", ["calling_fake", "calling_llama"])
@pytest.mark.parametrize("check", TOOL_CHECKS)
def test_tools(results, backend, check):
    result = results("vercel_node.mjs", backend, "tools")[check]
    assert result["passed"], result["why"]


@pytest.mark.parametrize("script", CHECKS)
def test_every_check_of_the_script_is_listed(results, script):
    assert set(results(script, "llama")) == set(CHECKS[script])


def test_every_tool_check_is_listed(results):
    assert set(results("vercel_node.mjs", "calling_fake", "tools")) == set(TOOL_CHECKS)
