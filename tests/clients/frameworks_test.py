"""Official clients and frameworks in front of real engines: each check of frameworks.py a test."""
import ast
import json
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent


def marked(word):
    """Names of the script's checks; read, not imported: they need another Python."""
    tree = ast.parse((HERE / "frameworks.py").read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)
            and any(isinstance(mark, ast.Name) and mark.id == word for mark in node.decorator_list)]


CHECKS, TOOL_CHECKS = marked("check"), marked("with_tools")


def run(nova, *words):
    """The script's lines by the names of their checks."""
    python = os.environ.get("NOVA_FRAMEWORKS_PYTHON")
    assert python, "NOVA_FRAMEWORKS_PYTHON is not set: the Python of requirements-frameworks.txt"
    root = f"http://127.0.0.1:{nova.gateway}"
    done = subprocess.run([python, HERE / "frameworks.py", root, nova.model(), *words],
                          capture_output=True, text=True, timeout=900, check=False)
    # Frameworks print of their own accord as well.
    told = [line for line in done.stdout.splitlines() if line.startswith('{"name"')]
    lines = {line["name"]: line for line in map(json.loads, told)}
    assert lines, f"the script printed nothing:\n{done.stderr}"
    return lines


@pytest.fixture(scope="session")
def results(request):
    """Runs the script once for each backend, when the first of its checks is asked for."""
    ran = {}

    def of(backend, *words):
        if backend not in ran:
            ran[backend] = run(request.getfixturevalue(backend), *words)
        return ran[backend]

    return of


@pytest.mark.parametrize("backend", ["llama", "ollama"])
@pytest.mark.parametrize("check", CHECKS)
def test_framework(results, backend, check):
    result = results(backend)[check]
    assert result["passed"], result["why"]


# To llama.cpp the choice of one tool by its name is no choice: it knows words alone.
BY_NAME = ["anthropic_tool"]


@pytest.mark.parametrize("backend, check", [
    *(("calling_fake", check) for check in TOOL_CHECKS),
    *(("calling_llama", check) for check in TOOL_CHECKS if check not in BY_NAME)])
def test_tools(results, backend, check):
    result = results(backend, "tools")[check]
    assert result["passed"], result["why"]
