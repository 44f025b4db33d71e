"""Starts the fake engine for Python tests and turns its knobs while it runs."""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    """The fake engine's program; a build that lacks it is a failure, never a skip."""
    named = os.environ.get("FAKE_ENGINE")
    places = [pathlib.Path(named)] if named else [
        ROOT / "build" / preset / "bin" / "fake_engine" for preset in ("release", "dev", "tsan")]
    for place in places:
        if place.exists():
            return place
    raise AssertionError(f"fake_engine is not built; looked at {', '.join(map(str, places))}")


def until(condition, seconds=10.0, what="the condition"):
    """The condition's first true value; fails with `what` when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.01)


class FakeEngine:
    """A running fake engine; use as a context manager."""

    def __init__(self, *flags, env=None, listens=True, **knobs):
        self.folder = tempfile.TemporaryDirectory(prefix="fake-engine-")
        self.state = pathlib.Path(self.folder.name) / "state.json"
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.turn(**knobs)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [binary(), "--state", self.state, *map(str, flags)], stdout=subprocess.PIPE,
                stderr=log, env={**os.environ, **(env or {})})
        self.port = int(self.process.stdout.readline()) if listens else 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def turn(self, **knobs):
        """Replaces the state file's knobs, at once and whole."""
        fresh = self.state.with_suffix(".new")
        fresh.write_text(json.dumps(knobs))
        os.replace(fresh, self.state)

    def request(self, method, path, body=None, headers=None, timeout=10):
        """Status, headers and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def stats(self):
        return json.loads(self.get("/__fake/stats")[2])

    def log(self):
        return self.log_path.read_text(errors="replace")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, seconds=10):
        return self.process.wait(seconds)
