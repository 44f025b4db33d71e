"""One nova for the whole contract, with the fake engine as its llama-server."""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]
from control_api import ControlApi  # noqa: E402
from fake_llama import FakeLlama, impatient_engine, write_gguf  # noqa: E402
from nova_fixture import Nova  # noqa: E402


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    return FakeLlama(tmp_path_factory.mktemp("programs") / "bin")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("models") / "small.gguf")


@pytest.fixture(scope="session")
def nova(tmp_path_factory, llama):
    nova = Nova(tmp_path_factory.mktemp("contract") / "data", [llama.folder])
    impatient_engine(nova.data)
    with nova:
        yield nova


@pytest.fixture(scope="session")
def api(nova):
    return ControlApi(nova)
