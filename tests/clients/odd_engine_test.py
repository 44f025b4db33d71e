"""`nova chat` before a server whose answers are odd: text or one sentence, never a crash."""
import http.server
import json
import threading

import pytest

from nova_fixture import Nova
from refusals import FAILED, TRACES


class OddServer(http.server.ThreadingHTTPServer):
    """Lists one model and answers each chat with the events it was given."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OddHandler)
        self.events = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class OddHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer("application/json", b'{"object":"list","data":[{"id":"odd","object":"model"}]}')

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"".join(b"data: " + event + b"\n\n" for event in self.server.events)
        self.answer("text/event-stream", body)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    with Nova(tmp_path_factory.mktemp("odd") / "data") as nova, OddServer() as server:
        nova.start("custom", "--url", f"http://127.0.0.1:{server.server_port}")
        yield nova, server
        server.shutdown()


def chunk(content="hi", **fields):
    return json.dumps({"model": "odd", "choices": [{"delta": {"content": content}}],
                       **fields}).encode()


@pytest.mark.parametrize("events,text", [
    ([chunk(), b"[DONE]"], "hi"),
    ([chunk(model=None), b"[DONE]"], "hi"),
    ([chunk(model=7, usage=None), b"[DONE]"], "hi"),
    ([chunk(usage={"completion_tokens": None}), b"[DONE]"], "hi"),
    ([chunk(usage={"completion_tokens": -1.5}), b"[DONE]"], "hi"),
    ([chunk(timings={"predicted_per_second": "x", "predicted_n": None}), b"[DONE]"], "hi"),
    ([chunk(usage={"completion_tokens": "many"}), b"[DONE]"], "hi"),
    ([chunk(choices=[7]), chunk(choices={}), chunk(), b"[DONE]"], "hi"),
    ([chunk(content=None), chunk(content=7), chunk(), b"[DONE]"], "hi"),
    ([b"{", b"[]", b"7", b"\xff\xfe", chunk(), b"[DONE]"], "hi"),
    ([chunk("\u001b[31m\ud800 \u00e9"), b"[DONE]"], ""),
    ([chunk()], None),  # neither a finish reason nor [DONE]: it broke off (trap 11)
    ([b'{"error":"boom"}'], None), ([b'{"error":{"message":7}}'], None),
    ([b'{"error":null}', chunk()], ""),
    ([], None),
])
def test_odd_answers(odd, events, text):
    nova, server = odd
    server.events = events
    for words in ((), ("--stats",), ("--json",)):
        done = nova.cli("chat", "hi", "--model", "odd", *words, check=False, timeout=20)
        assert done.returncode in (0, FAILED), (done.returncode, done.stdout, done.stderr)
        assert not any(trace in done.stderr for trace in TRACES), done.stderr
        if text is None:
            assert done.returncode == FAILED and done.stderr + done.stdout
        elif text:
            assert done.returncode == 0 and text in done.stdout


def test_a_server_whose_model_was_not_named_can_be_asked(odd):
    nova, server = odd
    server.events = [chunk(), b"[DONE]"]
    assert nova.cli("chat", "hi").stdout.strip() == "hi"
