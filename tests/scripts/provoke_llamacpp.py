"""llama-server in situations it cannot work in; see provoke_failures.py."""
import os
import signal
import subprocess

from provoking import (LIMIT_S, Words, address_space, ended, engine_dir, memory_cgroup, taken_port,
                       thread_limit, until, without_rights)

CASES = {}
ARCHITECTURE = b"general.architecture" + b"\x08\0\0\0" + b"\x05\0\0\0\0\0\0\0"


def case(body):
    """Registers a function as the case llamacpp-<its name with dashes>."""
    CASES["llamacpp-" + body.__name__.replace("_", "-")] = body
    return body


def case_of_any(body):
    """The same for what can happen to every engine: <its name with dashes>."""
    CASES[body.__name__.replace("_", "-")] = body
    return body


def server(place, *flags, model=None, before=(), preexec=None, port="0", env=None):
    """Runs llama-server until it ends; its words."""
    folder = engine_dir("llamacpp")
    argv = [*before, folder / "llama-server", "--model", model or place.model, "--port", port,
            "--offline", "--no-webui", "--ctx-size", "2048", *flags]
    done = subprocess.run(list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=LIMIT_S, check=False, preexec_fn=preexec, cwd=place.folder,
                          env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(folder),
                               **(env or {})})
    return Words("llamacpp", ended(done.returncode), done.stdout.decode(errors="replace"))


@case
def model_missing(place):
    return server(place, model=place.path("missing.gguf"))


@case
def model_denied(place):
    model = place.head(1000)
    model.chmod(0)
    return server(place, model=model, before=without_rights())


@case
def model_too_short(place):
    return server(place, model=place.written(b""))


@case
def model_not_gguf(place):
    return server(place, model=place.written(b"<!DOCTYPE html>\n<html>" + bytes(4000)))


@case
def model_cut(place):
    return server(place, model=place.head(50_000_000))


@case
def model_header_cut(place):
    return server(place, model=place.head(1000))


@case
def gguf_too_new(place):
    return server(place, model=place.patched(b"GGUF\x03", b"GGUF\x63"))


@case
def gguf_too_old(place):
    return server(place, model=place.patched(b"GGUF\x03", b"GGUF\x01"))


@case
def architecture_unknown(place):
    return server(place, model=place.patched(ARCHITECTURE + b"llama", ARCHITECTURE + b"llamo"))


@case
def tensor_missing(place):
    return server(place, model=place.patched(b"blk.16.ffn_down.weight", b"blk.16.ffn_dawn.weight"))


@case
def metadata_missing(place):
    return server(place, model=place.patched(b"llama.embedding_length", b"llama.embedding_lingth"))


@case
def tokenizer_missing(place):
    return server(place, model=place.patched(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tukens"))


@case
def tokenizer_unnamed(place):
    return server(place, model=place.patched(b"tokenizer.ggml.model", b"tokenizer.ggml.mudel"))


@case
def chat_template_bad(place):
    return server(place, model=place.patched(b"{% for message", b"{% fxr message"))


@case
def flag_unknown(place):
    return server(place, "--warp-factor", "9")


@case
def flag_value_bad(place):
    return server(place, "--threads", "many")


@case
def cache_type_bad(place):
    return server(place, "--cache-type-k", "q9_9")


@case
def cache_needs_flash_attention(place):
    return server(place, "--flash-attn", "off", "--cache-type-v", "q8_0")


@case
def port_taken(place):
    with taken_port() as port:
        return server(place, "--host", "127.0.0.1", port=str(port))


@case
def host_not_here(place):
    return server(place, "--host", "203.0.113.7", port="8080")  # an address of documentation


@case
def context_memory(place):
    return server(place, "--ctx-size", "2000000", "--fit", "off", preexec=address_space(3 * 10**9))


@case
def weights_memory(place):
    return server(place, "--load-mode", "none", "--fit", "off", "--threads", "1", "--threads-http",
                  "2", preexec=address_space(250_000_000))


@case
def threads_refused(place):
    with thread_limit(4) as join:
        return server(place, preexec=join)


@case
def mmproj_missing(place):
    return server(place, "--mmproj", place.path("missing-mmproj.gguf"))


@case
def mmproj_bad(place):
    return server(place, "--mmproj", place.model)


@case
def lora_missing(place):
    return server(place, "--lora", place.path("missing-lora.gguf"))


@case
def draft_missing(place):
    return server(place, "--model-draft", place.path("missing-draft.gguf"))


@case
def template_file_missing(place):
    return server(place, "--chat-template-file", place.path("missing.jinja"))


@case
def library_missing(place):
    program = place.path("llama-server")
    program.write_bytes((engine_dir("llamacpp") / "llama-server").read_bytes())
    program.chmod(0o755)
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={"PATH": os.environ["PATH"]})
    return Words("llamacpp", ended(done.returncode), done.stdout.decode())


@case_of_any
def kernel_out_of_memory(place):
    with memory_cgroup(150_000_000) as join:
        words = server(place, "--load-mode", "none", "--ctx-size", "8192", preexec=join)
    assert words.ended == "signal 9", words.ended
    return Words("llamacpp", "oom", words.log)


def after_signal(place, number):
    """The server is up and gets a signal, as a fault of its own would send it."""
    folder = engine_dir("llamacpp")
    path = place.path("log")
    with open(path, "wb") as log:
        process = subprocess.Popen(
            [folder / "llama-server", "--model", place.model, "--port", "0", "--ctx-size", "2048",
             "--offline"], stdout=log, stderr=log, cwd=place.folder,
            env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(folder)})
    try:
        until(lambda: b"listening on http" in path.read_bytes() or process.poll() is not None,
              "llama-server is up")
        process.send_signal(number)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    return Words("llamacpp", ended(process.returncode), path.read_text(errors="replace"))


@case_of_any
def segmentation_fault(place):
    return after_signal(place, signal.SIGSEGV)


@case_of_any
def illegal_instruction(place):
    return after_signal(place, signal.SIGILL)


@case_of_any
def bus_error(place):
    return after_signal(place, signal.SIGBUS)
