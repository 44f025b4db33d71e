"""`docker-compose up` with nova's image on an imported base: the page, and who may ask."""
import json
import os
import subprocess

import pytest

from docker_fixture import ROOT, until
from nova_fixture import nova_binary, request

COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
IMAGE = "nova:test"


@pytest.fixture(scope="module")
def image(docker):
    """nova's image as packaging/image.sh makes it without a registry."""
    done = subprocess.run(
        [ROOT / "packaging" / "image.sh", "--tag", IMAGE, "--program", nova_binary(),
         "--import-base"], text=True, capture_output=True, check=False,
        env={**os.environ, "DOCKER_HOST": f"unix://{docker.socket}", "DOCKER_BUILDKIT": "0"})
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture
def compose(docker, clean, image, tmp_path):
    """Runs docker-compose on the test's Docker; everything is taken down at the end."""
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("NOVA_", "COMPOSE_", "HF_"))}
    environment.update(DOCKER_HOST=f"unix://{docker.socket}", NOVA_IMAGE=image,
                       NOVA_DOCKER_SOCKET=str(docker.socket))

    def run(*words, check=True):
        done = subprocess.run(["docker-compose", "-p", "nova", "-f", COMPOSE, *words], text=True,
                              capture_output=True, check=False, cwd=tmp_path, env=environment,
                              timeout=180)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    run("down", "-v", "--remove-orphans", check=False)


def alive():
    try:
        return request(8001, "GET", "/health/live", timeout=2)[0] == 200
    except OSError:
        return False


def test_up_gives_the_page_and_a_key_of_its_own(docker, compose, tmp_path):
    compose("up", "-d")
    until(alive, 60, "nova's gateway by its published port")
    status, headers, page = request(8888, "GET", "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"nova" in page
    assert request(8001, "GET", "/v1/models")[0] == 401, "a published port is no loopback"
    docker.docker("cp", "nova:/data/api-key", tmp_path / "key")
    bearer = {"Authorization": "Bearer " + (tmp_path / "key").read_text().strip()}
    assert request(8001, "GET", "/v1/models", headers=bearer)[0] == 200
    shown = json.loads(docker.docker("exec", "nova", "nova", "status", "--json"))
    assert shown["state"] == "stopped"
    compose("stop")
    assert docker.ps()["nova"] == "exited"
    assert docker.docker("inspect", "-f", "{{.State.ExitCode}}", "nova") == "0"
