"""The driver contract and the faults a driver sees, in C++ on a real Docker and a real Podman."""
import pytest

from docker_fixture import DriverProgram, Podman, fake_image, import_image, image_tar

CONTRACT = "*DriverContract*"


@pytest.fixture(scope="module")
def bare(docker):
    """An image without an entry point."""
    return import_image(docker, "nova-test/bare:test", image_tar({}, texts=[("/note", b"x")]))


@pytest.fixture(scope="module")
def here(docker):
    """fake_engine as an image that needs no pull."""
    return fake_image(docker, "nova-test/fake:test")


def test_the_contract_holds_on_docker(docker, here):
    done = DriverProgram(NOVA_TEST_DOCKER_SOCKET=docker.socket, NOVA_TEST_IMAGE=here).run(CONTRACT)
    assert done.passed >= 9 and not done.failed, done.output
    assert docker.ps() == {}


def test_faults_on_docker(docker, here, bare):
    done = DriverProgram(NOVA_TEST_DOCKER_SOCKET=docker.socket, NOVA_TEST_IMAGE=here,
                         NOVA_TEST_BARE_IMAGE=bare).run("DockerFaults*")
    assert done.passed >= 10 and not done.failed, done.output
    assert docker.ps() == {}


def test_the_contract_holds_on_podman():
    with Podman() as podman:
        image = podman.fake_image("localhost/nova-test/fake:test")
        done = DriverProgram(NOVA_TEST_PODMAN_SOCKET=podman.socket,
                             NOVA_TEST_IMAGE=image).run(CONTRACT)
        assert done.passed >= 9 and not done.failed, done.output
        assert podman.ps() == []
