"""Ollama in situations it cannot work in; see provoke_failures.py."""
import contextlib
import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request

from provoking import (LIMIT_S, Words, children_of, end, ended, engine_dir, free_port, small_disk,
                       taken_port, until, without_rights)

CASES = {}
ARCHITECTURE = b"general.architecture" + b"\x08\0\0\0" + b"\x05\0\0\0\0\0\0\0"
TRAINED = b"llama.context_length" + b"\x04\0\0\0"


def case(body):
    """Registers a function as the case ollama-<its name with dashes>."""
    CASES["ollama-" + body.__name__.replace("_", "-")] = body
    return body


class Ollama:
    """A server of its own; words() is its log and, as its last line, the answer that refused."""

    def __init__(self, place, before=(), **env):
        self.place = place
        self.port = free_port()
        self.models = place.path("ollama")
        self.path = place.path("log")
        everything = {"HOME": str(place.folder), "PATH": "/usr/bin:/bin",
                      "OLLAMA_HOST": f"127.0.0.1:{self.port}", "OLLAMA_MODELS": str(self.models),
                      "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_NO_CLOUD": "1", "OLLAMA_NOPRUNE": "1",
                      "OLLAMA_CONTEXT_LENGTH": "2048", **env}
        with open(self.path, "wb") as log:
            self.process = subprocess.Popen(
                [*before, engine_dir("ollama") / "ollama", "serve"], stdout=log, stderr=log,
                cwd=place.folder, env={k: str(v) for k, v in everything.items() if v is not None})
        self.refusal = ""

    def __enter__(self):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError("Ollama ended:\n" + self.path.read_text(errors="replace"))
            with contextlib.suppress(OSError):
                url = f"http://127.0.0.1:{self.port}/api/version"
                return urllib.request.urlopen(url, timeout=2).status == 200

        try:
            until(answers, "Ollama is up")
        except BaseException:
            end(self.process)
            raise
        return self

    def __exit__(self, *_):
        end(self.process)

    def ask(self, path, body):
        """One request; a refusal is kept as the last words."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=raw)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        with contextlib.suppress(ValueError):
            value = json.loads(text)
            self.refusal = value.get("error", "") if isinstance(value, dict) else ""
        return self.refusal

    def create(self, file, name="m"):
        """The model `name` of a GGUF file."""
        raw = file.read_bytes()
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        if not self.ask(f"/api/blobs/{digest}", raw):
            self.ask("/api/create", {"model": name, "files": {"m.gguf": digest}, "stream": False})
        return digest

    def load(self, name="m"):
        return self.ask("/api/generate", {"model": name, "stream": False})

    def words(self):
        assert self.refusal, "nothing was refused"
        log = self.path.read_text(errors="replace")
        return Words("ollama", "running", f"{log}\n{self.refusal}\n")


def ends(place, before=(), **env):
    """Ollama that ends by itself: its words."""
    server = Ollama(place, before, **env)
    try:
        server.process.wait(LIMIT_S)
    finally:
        end(server.process)
    log = server.path.read_text(errors="replace")
    return Words("ollama", ended(server.process.returncode), log)


def created(place, file):
    """What creating a model from the file is answered."""
    with Ollama(place) as server:
        server.create(file)
        return server.words()


def loaded(place, file, **env):
    """What loading the model of the file is answered."""
    with Ollama(place, **env) as server:
        server.create(file)
        assert not server.refusal, server.refusal
        server.load()
        return server.words()


@case
def port_taken(place):
    with taken_port() as port:
        return ends(place, OLLAMA_HOST=f"127.0.0.1:{port}")


@case
def host_not_here(place):
    return ends(place, OLLAMA_HOST="203.0.113.7:11434")


@case
def home_not_set(place):
    return ends(place, HOME=None)


@case
def key_folder_denied(place):
    return ends(place, HOME="/proc/1")


@case
def models_folder_denied(place):
    folder = place.path("closed")
    folder.mkdir(mode=0o500)
    return ends(place, without_rights(), OLLAMA_MODELS=folder / "models")


@case
def models_folder_is_a_file(place):
    place.path("file").write_text("x")
    return ends(place, OLLAMA_MODELS=place.path("file") / "models")


@case
def model_not_found(place):
    with Ollama(place) as server:
        server.load("nothing:1b")
        return server.words()


@case
def not_gguf(place):
    return created(place, place.written(b"<!DOCTYPE html>\n<html>" + bytes(4000)))


@case
def model_cut(place):
    return created(place, place.head(50_000_000))


@case
def model_header_cut(place):
    return created(place, place.head(1000))


@case
def architecture_unknown(place):
    return loaded(place, place.patched(ARCHITECTURE + b"llama", ARCHITECTURE + b"llamo"))


@case
def gguf_too_new(place):
    return loaded(place, place.patched(b"GGUF\x03", b"GGUF\x63"))


@case
def tokenizer_unnamed(place):
    return loaded(place, place.patched(b"tokenizer.ggml.model", b"tokenizer.ggml.mudel"))


@case
def tensor_missing(place):
    return loaded(place, place.patched(b"blk.16.ffn_down.weight", b"blk.16.ffn_dawn.weight"))


@case
def metadata_missing(place):
    return loaded(place, place.patched(b"llama.embedding_length", b"llama.embedding_lingth"))


@case
def memory_short(place):
    huge = place.patched(TRAINED + (8192).to_bytes(4, "little"),
                         TRAINED + (100_000_000).to_bytes(4, "little"))
    return loaded(place, huge, OLLAMA_CONTEXT_LENGTH=100_000_000)


def runners(server):
    """Pids of the processes that hold a model."""
    found = []
    for child in children_of(server.process.pid):
        with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline", "rb") as file:
            if b"--model" in file.read():
                found.append(child)
    return found


@case
def runner_killed(place):
    """The runner is killed while it answers, as the kernel does when memory is short."""
    with Ollama(place) as server:
        server.create(place.model)
        server.load()
        killer = threading.Timer(1.0, lambda: [os.kill(p, signal.SIGKILL) for p in runners(server)])
        killer.start()
        server.ask("/api/generate", {"model": "m", "stream": False, "prompt": "count " * 1500,
                                     "options": {"num_predict": 100_000}})
        killer.join()
        return server.words()


@case
def disk_full(place):
    """Room for the weights, and then none for what belongs to them."""
    with small_disk(place.path("small"), "130m") as folder:
        with Ollama(place, OLLAMA_MODELS=folder) as server:
            raw = place.model.read_bytes()
            digest = "sha256:" + hashlib.sha256(raw).hexdigest()
            assert not server.ask(f"/api/blobs/{digest}", raw)
            with contextlib.suppress(OSError), open(folder / "filler", "wb") as filler:
                while True:
                    filler.write(bytes(4096))
                    filler.flush()
            server.ask("/api/create", {"model": "m", "files": {"m.gguf": digest},
                                       "stream": False})
            return server.words()


def blob_of(server):
    return max((server.models / "blobs").iterdir(), key=lambda file: file.stat().st_size)


@case
def blob_missing(place):
    with Ollama(place) as server:
        server.create(place.model)
        blob_of(server).unlink()
        server.load()
        return server.words()


@case
def manifest_bad(place):
    with Ollama(place) as server:
        server.create(place.model)
        manifest = next(f for f in (server.models / "manifests").rglob("*") if f.is_file())
        manifest.write_text("no manifest")
        server.load()
        return server.words()


@case
def registry_unreachable(place):
    with Ollama(place) as server:
        server.ask("/api/pull", {"model": f"127.0.0.1:{free_port()}/a/b:c", "insecure": True,
                                 "stream": False})
        return server.words()


class Registry(http.server.ThreadingHTTPServer):
    """A registry that answers every manifest with one status."""

    def __init__(self, status):
        super().__init__(("127.0.0.1", 0), RegistryHandler)
        self.status = status
        threading.Thread(target=self.serve_forever, daemon=True).start()


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def pulled(place, status):
    with Registry(status) as registry, Ollama(place) as server:
        server.ask("/api/pull", {"model": f"127.0.0.1:{registry.server_port}/a/b:c",
                                 "insecure": True, "stream": False})
        registry.shutdown()
        return server.words()


@case
def pull_not_found(place):
    return pulled(place, 404)


@case
def version_too_old(place):
    return pulled(place, 412)
