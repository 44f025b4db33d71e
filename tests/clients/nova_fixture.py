"""Starts a nova of its own for a test, with its own data directory, ports and engines."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fake_engine"))
from fake_engine import FakeEngine, until  # noqa: E402,F401  (tests take them from here)

BACKEND = "/recovery-api/api/v1/recovery/inference/backend"
START_SECONDS = 180
LONG = os.environ.get("NOVA_LONG") == "1"  # the long variants, which a nightly run asks for


def nova_binary():
    """NOVA_BIN or the release build; a missing one is a failure, never a skip."""
    path = pathlib.Path(os.environ.get("NOVA_BIN", ROOT / "build" / "release" / "nova"))
    assert path.exists(), f"{path} is missing; build it: cmake --build --preset release"
    return path


def engine_dir(name):
    """The folder of an engine from tools/engines.sh, which installs it when it is not there."""
    done = subprocess.run([ROOT / "tools" / "engines.sh", name, "--print-dir"], text=True,
                          stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"tools/engines.sh {name} failed; its message is above"
    return pathlib.Path(done.stdout.strip())


def model_path():
    return engine_dir("model") / "SmolLM2-135M-Instruct.Q4_1.gguf"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def request(port, method, path, body=None, headers=None, timeout=120):
    """Status, headers and whole body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        send = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body, {**send, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def processes_with(marker):
    """Pids of the live processes whose NOVA_INSTANCE starts with the marker, lowest first."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = pathlib.Path("/proc", name, "environ").read_bytes().split(b"\0")
            status = pathlib.Path("/proc", name, "stat").read_text()
        except OSError:
            continue
        dead = status.rpartition(")")[2].split()[0] in "ZX"
        if not dead and any(e.startswith(f"NOVA_INSTANCE={marker}".encode()) for e in environment):
            found.append(int(name))
    return sorted(found)


class Nova:
    """One nova with a data directory; use as a context manager."""

    def __init__(self, folder, engines=(), env=None):
        self.data = pathlib.Path(folder)
        self.data.mkdir(parents=True, exist_ok=True)
        self.gateway = free_port()
        self.control = free_port()
        self.log_path = self.data.parent / f"{self.data.name}.log"
        # Nothing of the caller's nova, and a PATH whose engines are the ones of this test.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("NOVA_")}
        self.env["PATH"] = os.pathsep.join([*map(str, engines), "/usr/bin", "/bin"])
        self.env["HOME"] = str(self.data.parent)
        self.env["NOVA_RUNTIME"] = "process"  # also where a Docker of the machine would answer
        self.env["XDG_CACHE_HOME"] = str(self.data.parent / "cache")
        self.env.update(env or {})
        self.process = None

    def __enter__(self):
        self.serve()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            try:
                self.cli("stop", "--wait", timeout=60, check=False)
            finally:
                self.process.terminate()
        if self.process:
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            finally:
                for pid in self.engine_pids():
                    os.kill(pid, signal.SIGKILL)

    def serve_command(self):
        return [nova_binary(), "serve", "--data-dir", self.data,
                "--gateway-listen", f"127.0.0.1:{self.gateway}",
                "--control-listen", f"127.0.0.1:{self.control}"]

    def spawn(self):
        """Starts `nova serve` and returns at once."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.serve_command(), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.env)

    def serve(self):
        """Starts `nova serve` and waits for its gateway."""
        self.spawn()
        until(self._alive, 30, "nova's gateway")

    def _alive(self):
        assert self.process.poll() is None, (
            f"nova ended with {self.process.returncode}:\n{self.log()[-3000:]}")
        try:
            return request(self.gateway, "GET", "/health/live", timeout=2)[0] == 200
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace")

    def cli(self, *words, timeout=START_SECONDS, check=True):
        """Runs a client command; its completed process."""
        done = subprocess.run([nova_binary(), *map(str, words), "--data-dir", self.data],
                              env=self.env, capture_output=True, text=True, timeout=timeout,
                              check=False)
        assert not check or done.returncode == 0, (
            f"nova {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}\n{done.stderr}\n"
            f"--- nova's log\n{self.log()[-3000:]}")
        return done

    def start(self, engine, *words):
        """Starts a backend and waits until it is ready."""
        self.cli("start", engine, *words, "--wait")
        self.wait_state("ready")

    def secret(self):
        return (self.data / "admin-secret").read_text().strip()

    def backend(self):
        """GET /inference/backend."""
        status, _, body = request(self.control, "GET", BACKEND,
                                  headers={"X-Admin-Secret": self.secret()})
        assert status == 200, f"{BACKEND}: {status} {body[:300]}"
        return json.loads(body)

    def wait_state(self, *states, seconds=START_SECONDS):
        def reached():
            document = self.backend()
            return document if document["state"] in states else None

        return until(reached, seconds, f"state {' or '.join(states)}")

    def engine_pids(self):
        """The processes that carry this nova's marker."""
        installed = self.data / "install-id"
        return processes_with(installed.read_text().strip() + "/") if installed.exists() else []

    def get(self, path, **more):
        return request(self.gateway, "GET", path, **more)

    def post(self, path, body, **more):
        return request(self.gateway, "POST", path, body, **more)

    def model(self):
        """The first name the gateway lists."""
        return json.loads(self.get("/v1/models")[2])["data"][0]["id"]

    def chat(self, **fields):
        """One unary chat through the gateway; its status."""
        body = {"model": self.model(), "max_tokens": 4,
                "messages": [{"role": "user", "content": "hi"}], **fields}
        return self.post("/v1/chat/completions", body)[0]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def inflight(self):
        """GET /health/inflight of the gateway."""
        return json.loads(self.get("/health/inflight")[2])

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.gateway}/v1"


class RealLlama:
    """llama-server started without nova: what an answer is compared with."""

    def __init__(self, *flags):
        self.port = free_port()
        self.process = subprocess.Popen(
            [engine_dir("llamacpp") / "llama-server", "-m", model_path(), "--port", str(self.port),
             "-c", "4096", "-np", "2", "--alias", "smol", *flags],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        def healthy():
            try:
                return request(self.port, "GET", "/health", timeout=2)[0] == 200
            except OSError:
                return False

        until(healthy, START_SECONDS, "llama-server")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def timed(action):
    """The action's value and the seconds it took."""
    began = time.monotonic()
    value = action()
    return value, time.monotonic() - began
