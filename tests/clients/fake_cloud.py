"""A cloud on loopback that speaks OpenAI's and Anthropic's dialect, with the faults of both."""
import base64
import http.server
import json
import socket
import socketserver
import struct
import threading

WORDS = ["Hel", "lo ", "from ", "the cloud"]
TEXT = "".join(WORDS)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        """Without the look-up of a name, which would be an attempt to reach a resolver."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class FakeCloud:
    """Knobs may be turned while it runs; `requests` is what it was asked, in order."""

    def __init__(self, models=("cloud-1",), key=None, host="127.0.0.1", **knobs):
        self.models = list(models)
        self.key = key
        self.host = host
        self.requests = []  # (method, path, headers, body as JSON or None)
        self.turn(**knobs)
        self.released = threading.Event()
        self.server = Server((host, 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever)

    def turn(self, status=200, headers=None, body=None, reset=None, stall=None, no_list=False,
             list_status=200, quote=None, shape=None):
        """status, headers, body: of answers to POST. reset and stall: where the answer ends or
        waits: "head" (before it), "start" (after the head), or the number of pieces of content
        before it. no_list: GET models is a 404; list_status, with body: another refusal. quote:
        an object that is sent as the first event of a stream, or as the answer, with status 200.
        shape: of a stream, "json" (it is none), "no_end" (it lacks its end) or "trickle" (bytes
        that never make an event)."""
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.reset = reset
        self.stall = stall
        self.no_list = no_list
        self.list_status = list_status
        self.quote = quote
        self.shape = shape

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self):
        return f"http://{self.host}:{self.server.server_address[1]}/v1"

    def asked(self, ending):
        """Bodies of the requests whose path ends so."""
        return [body for _, path, _, body in self.requests if path.split("?")[0].endswith(ending)]

    def _handler(self):
        return type("BoundHandler", (Handler,), {"cloud": self})


class Cut(Exception):
    """The connection ends here."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the class made for a cloud knows it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.note(None)
        if not self.authorised():
            return
        if self.cloud.list_status != 200:
            self.give(self.cloud.list_status, self.cloud.body)
            return
        if self.cloud.no_list or not self.path.split("?")[0].endswith("/models"):
            self.give(404, {"error": {"message": "no such page", "code": "not_found"}})
            return
        self.give(200, {"object": "list", "data": [
            {"id": name, "object": "model", "type": "model", "display_name": name}
            for name in self.cloud.models]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        self.note(body)
        if not self.authorised():
            return
        try:
            self.border("head")
            if self.cloud.status != 200:
                told = self.cloud.body if self.cloud.body is not None else self.error("not well")
                self.give(self.cloud.status, told, self.cloud.headers)
            elif self.cloud.quote is not None and not body.get("stream"):
                self.give(200, self.cloud.quote)
            elif self.path.endswith("/embeddings"):
                self.embed(body)
            elif self.path.endswith("/messages"):
                self.anthropic(body)
            elif self.path.endswith("/chat/completions"):
                self.openai(body)
            else:
                self.give(404, self.error("no such page"))
        except Cut:
            self.close_connection = True
        except OSError:
            self.close_connection = True

    def note(self, body):
        self.cloud.requests.append((self.command, self.path, dict(self.headers.items()), body))

    def authorised(self):
        key = self.cloud.key
        given = (self.headers.get("Authorization"), self.headers.get("x-api-key"))
        if key is None or f"Bearer {key}" == given[0] or key == given[1]:
            return True
        self.give(401, self.error("that key is not one of ours"))
        return False

    def error(self, message):
        if self.path.endswith("/messages"):
            return {"type": "error", "error": {"type": "api_error", "message": message}}
        return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}

    def border(self, place):
        """Ends or holds the answer where the knobs say so."""
        if self.cloud.stall == place:
            self.cloud.released.wait()
        if self.cloud.reset == place:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            self.connection.close()
            raise Cut

    def give(self, status, body, headers=None):
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(raw)),
                            **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def stream(self, events):
        """Sends the events; each is text, or a place where the knobs may end or hold it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.border("start")
        if self.cloud.shape == "trickle":
            while not self.cloud.released.wait(0.05):
                self.wfile.write(b"1\r\n:\r\n")
                self.wfile.flush()
            raise Cut
        if self.cloud.shape == "no_end":
            events = events[:1]
        if self.cloud.quote is not None:
            events = [f"event: error\ndata: {json.dumps(self.cloud.quote)}\n\n"]
        for number, event in enumerate(events):
            self.border(number)
            raw = event.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def openai(self, body):
        model = body.get("model", "")
        usage = {"prompt_tokens": 3, "completion_tokens": len(WORDS),
                 "total_tokens": 3 + len(WORDS)}
        if not body.get("stream") or self.cloud.shape == "json":
            self.give(200, {"id": "c1", "object": "chat.completion", "created": 1, "model": model,
                            "choices": [{"index": 0, "finish_reason": "stop", "message": {
                                "role": "assistant", "content": TEXT}}], "usage": usage})
            return

        def chunk(delta, reason=None, **more):
            choices = [] if delta is None else [
                {"index": 0, "delta": delta, "finish_reason": reason}]
            return "data: " + json.dumps({"id": "c1", "object": "chat.completion.chunk",
                                          "created": 1, "model": model, "choices": choices,
                                          **more}) + "\n\n"

        events = [chunk({"content": word}) for word in WORDS]
        events[0] = chunk({"role": "assistant", "content": ""}) + events[0]
        events.append(chunk({}, "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append(chunk(None, usage=usage))
        self.stream([*events, "data: [DONE]\n\n"])

    def anthropic(self, body):
        model = body.get("model", "")
        usage = {"input_tokens": 3, "output_tokens": len(WORDS)}
        if not body.get("stream") or self.cloud.shape == "json":
            self.give(200, {"id": "msg_1", "type": "message", "role": "assistant", "model": model,
                            "content": [{"type": "text", "text": TEXT}],
                            "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})
            return

        def event(name, **data):
            return f"event: {name}\ndata: " + json.dumps({"type": name, **data}) + "\n\n"

        start = event("message_start", message={
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 1}})
        start += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
                  for word in WORDS]
        deltas[0] = start + deltas[0]
        end = event("content_block_stop", index=0)
        end += event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None},
                     usage={"output_tokens": len(WORDS)})
        self.stream([*deltas, end + event("message_stop")])

    def embed(self, body):
        inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vector = [0.5, -0.25]
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack("<2f", *vector)).decode()
        self.give(200, {"object": "list", "model": body.get("model", ""), "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index in range(len(inputs))], "usage": {"prompt_tokens": 2, "total_tokens": 2}})
