"""One Docker and one registry for all tests of this folder, with the images of the engines."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from docker_fixture import ENGINES, Daemon, DockerNova, Registry, fake_image  # noqa: E402


@pytest.fixture(scope="session")
def docker():
    assert os.environ.get("NOVA_TEST_CGROUP"), "run these tests by tests/docker/isolated.sh"
    with Daemon() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def registry():
    with Registry() as running:
        yield running


@pytest.fixture(scope="session")
def fakes(docker, registry):
    """{engine: image}: fake_engine as each of the four, in the registry and not on the machine."""
    names = {}
    for engine in ENGINES:
        name = registry.name(engine)
        fake_image(docker, name, engine, padding=6_000_000, layers=2)
        docker.docker("push", name)
        docker.docker("rmi", "-f", name)
        names[engine] = name
    return names


@pytest.fixture
def clean(docker):
    """The daemon, without a container of an earlier test."""
    docker.remove_everything()
    yield docker
    docker.remove_everything()


@pytest.fixture
def nova(tmp_path, clean, fakes):
    """nova on that Docker, fake engines as images."""
    with DockerNova(tmp_path / "data", clean, fakes) as running:
        yield running
