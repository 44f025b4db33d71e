"""A Hugging Face hub and an Ollama registry on loopback, for one model, with the faults of both."""
import hashlib
import http.server
import json
import re
import threading

PIECE = 256 * 1024


class FakeHub:
    """Serves the bytes of a file as org/repo; knobs may be turned while it runs."""

    def __init__(self, content, name="SmolLM2-135M-Instruct.Q4_1.gguf"):
        self.content = content
        self.name = name
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.cut_at = None  # the next answer ends there
        self.hold_at = None  # answers stop there until released
        self.gated = False
        self.released = threading.Event()
        self.requests = []  # (path, Range) of every request
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def url(self):
        return f"http://{self.address}"

    def ranges(self):
        """What was asked of the file, in order; empty: from its start."""
        return [asked for path, asked in self.requests if path.startswith("/storage")]

    def manifest(self):
        """Of the model in an Ollama registry, and the blob it needs beside the weights."""
        config = json.dumps({"model_format": "gguf", "model_family": "llama",
                             "model_families": ["llama"], "model_type": "134.52M",
                             "file_type": "Q4_1", "architecture": "amd64", "os": "linux",
                             "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        digest = hashlib.sha256(config).hexdigest()
        kind = "application/vnd.ollama.image.model"
        return config, digest, {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": f"sha256:{digest}", "size": len(config)},
            "layers": [{"mediaType": kind, "digest": f"sha256:{self.sha256}",
                        "size": len(self.content)}]}

    def _handler(self):
        return type("BoundHandler", (Handler,), {"hub": self})


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the class made for a hub knows it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        self.hub.requests.append((path, self.headers.get("Range", "")))
        config, digest, manifest = self.hub.manifest()
        if path.startswith("/api/models/"):
            self.give(json.dumps([{
                "type": "file", "path": self.hub.name, "size": len(self.hub.content),
                "lfs": {"oid": self.hub.sha256, "size": len(self.hub.content)}}]).encode())
        elif "/resolve/" in path and self.hub.gated:
            self.give(b"", 403, {"X-Error-Code": "GatedRepo"})
        elif "/resolve/" in path:
            self.give(b"", 302, {"Location": f"/storage/{self.hub.sha256}?signature=x"})
        elif "/manifests/absent" in path:
            self.give(b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', 404)
        elif "/manifests/" in path:
            self.give(json.dumps(manifest).encode())
        elif "/blobs/" in path and self.command == "GET":
            # As the real registry: another host name gives the bytes, and Ollama insists on one.
            port = self.hub.server.server_address[1]
            self.give(b"", 307, {"Location": f"http://localhost:{port}/given/{path[-64:]}"})
        elif path.endswith(digest):
            self.give_file(config)
        else:
            self.give_file(self.hub.content)

    def give(self, body, status=200, headers=None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def give_file(self, content):
        asked = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = int(asked[2]) if asked and asked[2] else len(content) - 1
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{self.hub.sha256}"')
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self.give_pieces(content, first, last + 1)

    def give_pieces(self, content, at, end):
        cut, self.hub.cut_at = self.hub.cut_at, None
        while at < end:
            stop = min(at + PIECE, end)
            for border in (cut, self.hub.hold_at):
                if border is not None and at <= border < stop:
                    stop = border
            try:
                self.wfile.write(content[at:stop])
                self.wfile.flush()
            except OSError:
                self.close_connection = True
                return
            at = stop
            if cut is not None and at == cut:
                self.close_connection = True
                return
            if self.hub.hold_at is not None and at == self.hub.hold_at:
                self.hub.released.wait()
