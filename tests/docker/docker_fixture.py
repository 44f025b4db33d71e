"""A Docker daemon, a registry and images of a test's own; run under isolated.sh."""
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))
from nova_fixture import Nova, engine_dir, free_port, model_path, request, until  # noqa: E402,F401

DAEMON_SECONDS = 60
ENGINES = ("llamacpp", "ollama", "vllm", "sglang")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Daemon:
    """One dockerd with its own data; a context manager."""

    def __init__(self, *flags, data=None):
        # Short: the path of a unix socket has 107 characters at most.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-dockerd-"))
        self.socket = self.folder / "docker.sock"
        self.data = data or self.folder / "data"
        self.flags = flags
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        try:
            self.remove_everything()
        finally:
            self.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        command = ["dockerd", "--data-root", self.data, "--exec-root", self.folder / "exec",
                   "--host", f"unix://{self.socket}", "--pidfile", self.folder / "pid",
                   "--cgroup-parent", os.environ.get("NOVA_TEST_CGROUP", "/nova-test"),
                   *self.flags]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        until(self._answers, DAEMON_SECONDS, "dockerd")

    def _answers(self):
        assert self.process.poll() is None, f"dockerd ended:\n{self.log()[-3000:]}"
        try:
            return self.api("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(DAEMON_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def api(self, method, path, body=None, timeout=60):
        """Status and value of one call, as nova has it."""
        connection = UnixConnection(self.socket, timeout)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(raw)
        except ValueError:
            return answer.status, raw.decode(errors="replace")

    def docker(self, *words, check=True, stdin=None, timeout=120):
        """What the docker program prints; as a person would look."""
        done = subprocess.run(["docker", "-H", f"unix://{self.socket}", *map(str, words)],
                              capture_output=True, text=stdin is None, input=stdin,
                              timeout=timeout, check=False)
        out = done.stdout if stdin is None else done.stdout.decode()
        err = done.stderr if stdin is None else done.stderr.decode()
        assert not check or done.returncode == 0, f"docker {' '.join(map(str, words))}: {err}"
        return out.strip()

    def ps(self, everything=True):
        """{name: state} of the containers, by `docker ps`."""
        lines = self.docker("ps", *(["-a"] if everything else []), "--format",
                            "{{.Names}} {{.State}}").splitlines()
        return dict(line.split() for line in lines)

    def remove_everything(self):
        if self.process and self.process.poll() is None:
            for name, state in self.ps().items():
                if state == "paused":
                    self.docker("unpause", name, check=False)
            ids = self.docker("ps", "-aq").split()
            if ids:
                self.docker("rm", "-f", "-v", *ids, check=False)


def bcrypt(password):
    """As htpasswd -B has it; by libxcrypt, which Debian's libc programs use."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), b"$2b$05$abcdefghijklmnopqrstuu").decode()


class Registry:
    """A real registry on loopback; with a user only for those who sign in."""

    def __init__(self, user=None, password=None):
        self.login = (user, password)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-registry-"))
        self.port = free_port()

    def __enter__(self):
        config = self.folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'}}\n")
        if self.login[0]:
            hashed = bcrypt(self.login[1])
            (self.folder / "users").write_text(f"{self.login[0]}:{hashed}\n")
            with open(config, "a", encoding="utf-8") as file:
                file.write(f"auth: {{htpasswd: {{realm: test, path: {self.folder}/users}}}}\n")
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)

        def answers():
            try:
                return request(self.port, "GET", "/v2/", timeout=2)[0] in (200, 401)
            except OSError:
                return False

        until(answers, 30, "the registry")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def name(self, image):
        return f"127.0.0.1:{self.port}/{image}:test"

    def bytes_of(self, image):
        """What a pull of all its layers brings."""
        accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        manifest = json.loads(request(self.port, "GET", f"/v2/{image}/manifests/test",
                                      headers=accept)[2])
        return sum(layer["size"] for layer in manifest["layers"])


class Wire:
    """A TCP relay in front of the registry: it can be slow, and cut after so many bytes."""

    def __init__(self, port):
        self.behind = port
        self.rate = None  # bytes a second, towards the client
        self.budget = None  # bytes before everything is cut and refused
        self.passed = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def name(self, image):
        return f"127.0.0.1:{self.port}/{image}:test"

    def dead(self):
        return self.budget is not None and self.passed >= self.budget

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            if self.dead():
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.behind))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    @staticmethod
    def _up(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        finally:
            server.close()

    def _down(self, server, client):
        try:
            while data := server.recv(65536):
                with self.lock:
                    if self.dead():
                        return
                    if self.rate:
                        time.sleep(len(data) / self.rate)
                    self.passed += len(data)
                client.sendall(data)
        except OSError:
            pass
        finally:
            for end in (client, server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()

    def close(self):
        self.listener.close()


def libraries_of(program, folders=()):
    """The files ldd names for a program: {path in the image: path here}."""
    env = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}
    text = subprocess.run(["ldd", program], env=env, capture_output=True, text=True,
                          check=True).stdout
    found = {}
    for line in text.splitlines():
        words = line.split()
        path = words[2] if "=>" in words and len(words) > 2 else words[0]
        if path.startswith("/"):
            found[path] = path
    return found


def image_tar(files, links=(), texts=()):
    """A root file system as a tarball, in memory on the disk: {path in it: path here}."""
    out = tempfile.TemporaryFile()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folders = tarfile.TarInfo("tmp")
        folders.type, folders.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folders)
        for inside, here in sorted(files.items()):
            info = tar.gettarinfo(os.path.realpath(here), arcname=inside.lstrip("/"))
            with open(here, "rb") as file:
                tar.addfile(info, file)
        for inside, target in links:
            info = tarfile.TarInfo(inside.lstrip("/"))
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        for inside, data in texts:
            info = tarfile.TarInfo(inside.lstrip("/"))
            info.size = len(data)
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(0)
                tar.addfile(info, file)
    out.seek(0)
    return out


def import_image(daemon, name, tar, *changes):
    """docker import: one layer, no registry needed."""
    command = ["docker", "-H", f"unix://{daemon.socket}", "import"]
    for change in changes:
        command += ["--change", change]
    done = subprocess.run([*command, "-", name], stdin=tar, capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return name


def fake_engine():
    path = pathlib.Path(os.environ.get("FAKE_ENGINE", ROOT / "build/release/bin/fake_engine"))
    assert path.exists(), f"{path} is missing; build it: cmake --build --preset release"
    return path


def fake_image(daemon, name, surface="llamacpp", padding=0, layers=1):
    """fake_engine as an image; padding: bytes nobody can compress, spread over the layers."""
    program = {"ollama": "/bin/ollama", "vllm": "/bin/vllm"}.get(surface, "/engine")
    files = {program: fake_engine(), "/engine": fake_engine(), **libraries_of(fake_engine())}
    words = [program] if surface != "sglang" else ["/engine", "--surface", "sglang"]
    entry = json.dumps(words)
    if surface == "sglang":  # its image has no entry point: nova says python3 -m sglang...
        files["/usr/bin/python3"] = fake_engine()
        entry = "[]"
    tar = image_tar(files, texts=[("/padding0", os.urandom(padding // layers))])
    import_image(daemon, name, tar, f"ENTRYPOINT {entry}", "ENV PATH=/usr/bin:/bin",
                 "CMD []")
    for layer in range(1, layers):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "padding").write_bytes(os.urandom(padding // layers))
            pathlib.Path(folder, "Dockerfile").write_text(
                f"FROM {name}\nCOPY padding /padding{layer}\n")
            daemon.docker("build", "-q", "-t", name, folder)
    return name


def llama_image(daemon, name):
    """Real llama.cpp, its folder as it was built, and what ldd names beyond that."""
    folder = engine_dir("llamacpp")
    files = {f"/app/{path.name}": path for path in folder.iterdir()
             if path.is_file() and (path.name == "llama-server" or ".so" in path.name)}
    own = set(files)
    for path in [folder / "llama-server", *folder.glob("*.so*")]:
        for inside, here in libraries_of(os.path.realpath(path), [folder]).items():
            if pathlib.Path(here).parent != pathlib.Path(folder):
                files[inside] = here
    assert "/app/llama-server" in own, f"no llama-server in {folder}"
    return import_image(daemon, name, image_tar(files), 'ENTRYPOINT ["/app/llama-server"]',
                        "ENV LD_LIBRARY_PATH=/app", "CMD []")


def ollama_image(daemon, name):
    """Real Ollama as it was built."""
    program = engine_dir("ollama") / "ollama"
    real = pathlib.Path(os.path.realpath(program))
    files = {"/bin/ollama": real, **libraries_of(real)}
    for extra in ("/etc/ssl/certs/ca-certificates.crt",):
        if pathlib.Path(extra).exists():
            files[extra] = extra
    return import_image(daemon, name, image_tar(files), 'ENTRYPOINT ["/bin/ollama"]',
                        "ENV HOME=/root", 'CMD ["serve"]')


class DockerNova(Nova):
    """A nova whose Docker is the test's."""

    def __init__(self, folder, daemon, images=None, env=None, engines=()):
        super().__init__(folder, engines, {
            "NOVA_RUNTIME": "auto",
            "DOCKER_HOST": f"unix://{daemon.socket}",
            "NOVA_DOCKER_IMAGES": ",".join(f"{k}={v}" for k, v in (images or {}).items()),
            **(env or {})})
        self.daemon = daemon

    def container(self):
        """The container nova says it runs; checked against docker."""
        instance = self.backend()["instance"]
        assert instance["runtime"] == "docker", instance
        return instance["name"]

    def agree(self):
        """docker ps and nova say the same, when neither changed meanwhile; nova's document."""
        install = (self.data / "install-id").read_text().strip()
        before = self.backend()
        mine = self.daemon.docker("ps", "-a", "--filter", f"label=nova.install={install}",
                                  "--format", "{{.Names}} {{.State}}").splitlines()
        document = self.backend()
        still = all(before[key] == document[key] for key in ("state", "phase", "generation"))
        if still and document["state"] == "ready":
            assert f"{document['instance']['name']} running" in mine, (mine, document)
        if still and document["state"] == "stopped":
            assert mine == [], (mine, document)
        return document


class DriverProgram:
    """docker_driver_tests with its environment; run() counts what passed and failed."""

    def __init__(self, **environment):
        self.env = {**os.environ, **{key: str(value) for key, value in environment.items()}}
        self.path = pathlib.Path(os.environ.get(
            "DOCKER_DRIVER_TESTS", ROOT / "build/dev/tests/docker/docker_driver_tests"))
        assert self.path.exists(), f"{self.path} is missing; build docker_driver_tests"
        self.passed, self.failed, self.output = 0, [], ""

    def run(self, tests):
        done = subprocess.run([self.path, f"--gtest_filter={tests}", "--gtest_color=no"],
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=300, check=False)
        self.output = done.stdout[-8000:]
        self.passed = done.stdout.count("[       OK ]")
        self.failed = [line for line in done.stdout.splitlines() if "[  FAILED  ]" in line]
        if done.returncode != 0 and not self.failed:
            self.failed = [f"ended with {done.returncode}"]
        return self


class Podman:
    """Podman's Docker-compatible service with its own storage."""

    def __init__(self, registry=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-podman-"))
        self.env = dict(os.environ)
        if registry:  # Podman takes no plain http by itself, not even on loopback
            registries = self.folder / "registries.conf"
            registries.write_text(
                f'[[registry]]\nlocation = "127.0.0.1:{registry.port}"\ninsecure = true\n')
            self.env["CONTAINERS_REGISTRIES_CONF"] = str(registries)
        self.socket = self.folder / "podman.sock"
        self.command = ["podman", "--root", str(self.folder / "root"), "--runroot",
                        str(self.folder / "run"), "--tmpdir", str(self.folder / "tmp"),
                        "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        self.process = None

    def __enter__(self):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*self.command, "system", "service", "--time=0", f"unix://{self.socket}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        until(self.socket.exists, 30, "podman's socket")
        return self

    def __exit__(self, *_):
        self.run("rm", "-f", "-a", check=False)
        self.process.kill()
        self.process.wait()
        subprocess.run(["umount", "-R", self.folder / "root" / "overlay"], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *words, stdin=None, check=True):
        done = subprocess.run([*self.command, *map(str, words)], capture_output=True, text=True,
                              stdin=stdin, timeout=120, check=False, env=self.env)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fake_image(self, name):
        tar = image_tar({"/engine": fake_engine(), **libraries_of(fake_engine())})
        self.run("import", "--change", 'ENTRYPOINT ["/engine"]', "-", name, stdin=tar)
        return name

    def ps(self):
        return self.run("ps", "-a", "--format", "{{.Names}}").splitlines()
