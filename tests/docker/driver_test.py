"""The driver contract and the faults a driver sees, in C++ on a real Docker and a real Podman."""
import pytest

from docker_fixture import DriverProgram, Podman, Wire, fake_image, import_image, image_tar

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


def test_faults_on_docker(docker, here, bare, registry, fakes):
    wire = Wire(registry.port)
    wire.rate = 4_000_000
    docker.docker("rmi", "-f", fakes["vllm"], check=False)
    done = DriverProgram(NOVA_TEST_DOCKER_SOCKET=docker.socket, NOVA_TEST_IMAGE=here,
                         NOVA_TEST_BARE_IMAGE=bare,
                         NOVA_TEST_PULL_IMAGE=wire.name("vllm")).run("DockerFaults*")
    assert done.passed >= 12 and not done.failed, done.output
    assert docker.ps() == {}
    # Three asked at once; the layers came once.
    layers = int(docker.docker("inspect", wire.name("vllm"), "--format", "{{.Size}}"))
    assert 0 < wire.passed < layers, (wire.passed, layers)
    wire.close()


def test_the_contract_holds_on_podman():
    with Podman() as podman:
        image = podman.fake_image("localhost/nova-test/fake:test")
        done = DriverProgram(NOVA_TEST_PODMAN_SOCKET=podman.socket,
                             NOVA_TEST_IMAGE=image).run(CONTRACT)
        assert done.passed >= 9 and not done.failed, done.output
        assert podman.ps() == []


def test_an_image_arrives_by_podman(registry):
    with Podman(registry) as podman:
        image = registry.name("podman")
        podman.run("import", "-", image, stdin=image_tar({}, texts=[("/note", b"x")]))
        podman.run("push", image)
        podman.run("rmi", image)
        done = DriverProgram(NOVA_TEST_PODMAN_SOCKET=podman.socket,
                             NOVA_TEST_IMAGE=image).run("*PreparesAsOftenAsItIsAsked*")
        assert done.passed == 1 and not done.failed, done.output
        assert image in podman.run("images", "--format", "{{.Repository}}:{{.Tag}}")
