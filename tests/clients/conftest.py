"""Backends that several tests share: each is started once by a nova of its own."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from nova_fixture import FakeEngine, Nova, RealLlama, engine_dir, model_path  # noqa: E402

CALLS = pathlib.Path(__file__).parent / "calls_template.jinja"


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """nova with real llama.cpp and SmolLM2, chat and embeddings both."""
    folder = tmp_path_factory.mktemp("llama") / "data"
    with Nova(folder, [engine_dir("llamacpp")]) as nova:
        nova.start("llamacpp", "--model", model_path())
        yield nova


@pytest.fixture(scope="session")
def ollama(tmp_path_factory):
    """nova with real Ollama and the same weights, uploaded from the file."""
    folder = tmp_path_factory.mktemp("ollama") / "data"
    with Nova(folder, [engine_dir("ollama")]) as nova:
        nova.start("ollama", "--model", model_path())
        yield nova


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """(nova, fake engine): the fake as a custom backend."""
    folder = tmp_path_factory.mktemp("fake") / "data"
    with FakeEngine("--alias", "fake-model", "--embeddings") as engine, Nova(folder) as nova:
        nova.start("custom", "--url", engine.url + "/v1")
        yield nova, engine
        engine.turn()


@pytest.fixture(scope="session")
def calling_llama(tmp_path_factory):
    """nova in front of a real llama.cpp that can be made to call a tool, small as its model is."""
    folder = tmp_path_factory.mktemp("calls") / "data"
    with RealLlama("--jinja", "--chat-template-file", CALLS) as engine, Nova(folder) as nova:
        nova.start("custom", "--url", f"http://127.0.0.1:{engine.port}/v1")
        yield nova


@pytest.fixture(scope="session")
def calling_fake(tmp_path_factory):
    """nova in front of the fake engine, which calls the first tool."""
    folder = tmp_path_factory.mktemp("tools") / "data"
    with FakeEngine("--alias", "fake-model") as engine, Nova(folder) as nova:
        nova.start("custom", "--url", engine.url + "/v1")
        yield nova


@pytest.fixture
def fresh_llama(tmp_path):
    """A nova and a llama.cpp that a test may kill."""
    with Nova(tmp_path / "data", [engine_dir("llamacpp")]) as nova:
        nova.start("llamacpp", "--model", model_path())
        yield nova
