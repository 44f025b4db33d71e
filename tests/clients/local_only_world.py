"""Run by local_only_test.py in a network namespace of its own: every address leads to a sink there.

usage: local_only_world.py MODE FOLDER

MODE is one of nova's, or never-cloud: hybrid, and every request has a key that may not leave.
Prints one JSON object: the attempts to reach anything but loopback, and what was answered.
"""
import fcntl
import http.client
import json
import os
import pathlib
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_cloud import FakeCloud  # noqa: E402
from fake_llama import FakeLlama, write_gguf  # noqa: E402
from nova_fixture import Nova, request, until  # noqa: E402

AWAY = "10.77.0.10"  # an address of no machine; the sink answers for it
KEYS = ("OPENAI", "ANTHROPIC", "GEMINI", "GROQ", "OPENROUTER", "MISTRAL", "DEEPSEEK", "CEREBRAS",
        "TOGETHER", "XAI")
CONTROL = "/api/v1/recovery"


def loopback_up():
    with socket.socket() as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS


def everything_is_here():
    """Routes every address to lo, as `ip route add local default dev lo` does, for both families:
    whatever nova dials is dialled, and seen."""
    for family in (socket.AF_INET, socket.AF_INET6):
        # rtmsg: family, dst_len, src_len, tos, table local, protocol static, scope host, type local
        body = struct.pack("BBBBBBBBI", family, 0, 0, 0, 255, 4, 254, 2, 0)
        body += struct.pack("HHi", 8, 4, socket.if_nametoindex("lo"))  # RTA_OIF
        # RTM_NEWROUTE with REQUEST, ACK, CREATE
        head = struct.pack("IHHII", 16 + len(body), 24, 0x1 | 0x4 | 0x400, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
            netlink.send(head + body)
            answer = netlink.recv(4096)
        error = struct.unpack_from("i", answer, 16)[0]
        assert error == 0, f"the route was refused: {os.strerror(-error)}"


class Sink:
    """Sees every packet on lo; keeps those of TCP and UDP to anything but loopback."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.bind(("lo", 0))
        self.seen = set()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            packet = self.socket.recv(65536)
            if packet[0] >> 4 == 4 and packet[9] in (6, 17):
                to, ports = packet[16:20], packet[(packet[0] & 15) * 4:]
                away = to[0] != 127
                name = socket.inet_ntop(socket.AF_INET, to)
            elif packet[0] >> 4 == 6 and packet[6] in (6, 17):
                to, ports = packet[24:40], packet[40:]
                away = to != socket.inet_pton(socket.AF_INET6, "::1")
                name = socket.inet_ntop(socket.AF_INET6, to)
            else:
                continue
            if away:
                self.seen.add(f"{name} port {struct.unpack('!H', ports[2:4])[0]}")

    def works(self):
        """A packet sent now is seen: without that an empty list would prove nothing."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.sendto(b"x", ("192.0.2.1", 9))
        until(lambda: "192.0.2.1 port 9" in self.seen, 10, "the sink's own packet")
        self.seen.clear()


CHAT = [{"role": "user", "content": "hi"}]
ROUTES = [
    ("/v1/chat/completions", {"messages": CHAT}),
    ("/v1/chat/completions", {"messages": CHAT, "stream": True}),
    ("/v1/completions", {"prompt": "hi"}),
    ("/v1/embeddings", {"input": "hi"}),
    ("/v1/responses", {"input": "hi"}),
    ("/v1/messages", {"messages": CHAT, "max_tokens": 4}),
    ("/v1/messages", {"messages": CHAT, "max_tokens": 4, "stream": True}),
    ("/v1/messages/count_tokens", {"messages": CHAT}),
    ("/chat/completions", {"messages": CHAT}),
    ("/completions", {"prompt": "hi"}),
    ("/embeddings", {"input": "hi"}),
    ("/responses", {"input": "hi"}),
    ("/api/chat", {"messages": CHAT}),
    ("/api/generate", {"prompt": "hi", "stream": False}),
    ("/api/embed", {"input": "hi"}),
    ("/api/show", {}),
    ("/complete", {"messages": CHAT}),
    ("/stream", {"messages": CHAT}),
    ("/embed", {"texts": ["hi"]}),
]
READS = ("/v1/models", "/v1/models/near/cloud-1", "/models", "/api/tags", "/api/ps", "/api/version",
         "/api/nothing", "/health/live", "/health/ready", "/health/inflight", "/health/providers",
         "/metrics")
# Of the control API: what is told of providers and usage may ask nobody either.
TOLD = ("/providers", "/providers/near", "/usage?group_by=provider", "/inference/requests",
        "/inference/backends", "/inference/operations", "/settings", "/health/ready")
MODELS = ("local-1", "cloud-1", "near/cloud-1", "claude/claude-1", "openai/gpt-4o-mini", "smart",
          "nobody")
# What the local backend does; each is a reason to fall back where that is allowed.
FAULTS = [{}, *({"status": status} for status in (400, 401, 402, 403, 404, 408, 413, 422, 429, 500,
                                                  502, 503, 529)),
          {"status": 429, "headers": {"Retry-After": "1"}}, {"status": 500, "body": "<html>"},
          {"status": 302, "headers": {"Location": "http://192.0.2.7/"}},
          {"reset": "head"}, {"reset": "start"}, {"reset": 0}, {"reset": 2},
          {"quote": {"error": {"message": "planned", "code": "planned"}}},
          {"shape": "json"}, {"shape": "no_end"}]
# These take until nova's patience is over, which is a second here.
SLOW_FAULTS = [{"stall": "head"}, {"stall": "start"}, {"stall": 1}, {"shape": "trickle"}]
SLOW_ROUTES = [("/v1/chat/completions", {"messages": CHAT, "stream": True}),
               ("/v1/messages", {"messages": CHAT, "max_tokens": 4}),
               ("/api/chat", {"messages": CHAT})]


def ask_everything(nova, answers, models=MODELS, routes=None, headers=None):
    for model in models:
        for path, body in routes or ROUTES:
            try:
                status = request(nova.gateway, "POST", path, {"model": model, **body},
                                 headers={"Prefer": "wait=0", **(headers or {})}, timeout=60)[0]
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            answers[f"{path} {model}"] = status
    for path in READS:
        request(nova.gateway, "GET", path, headers=headers, timeout=60)
    for path in TOLD:
        control(nova, "GET", path)


def miss(nova, answers):
    """A name nobody knows, when the last look is so long ago that there is another."""
    time.sleep(2.1)  # it is not looked again sooner
    began = time.monotonic()
    status = request(nova.gateway, "POST", "/v1/chat/completions",
                     {"model": "missed", "messages": CHAT}, timeout=60)[0]
    answers["missed"] = status
    answers["missed in time"] = time.monotonic() - began < 30


def control(nova, method, path, body=None):
    return request(nova.control, method, CONTROL + path, body, timeout=60,
                   headers={"X-Admin-Secret": nova.secret()})


def configure(nova, cloud):
    """Clouds that can be reached by an address, beside those that need a name resolved."""
    near = {"base_url": cloud.url, "secret": "sk-near", "default_model": "cloud-1",
            "models": ["cloud-1"], "order": 1}
    assert control(nova, "PUT", "/providers/near", near)[0] == 200
    claude = {"kind": "anthropic", "base_url": cloud.url, "secret": "sk-a", "order": 2,
              "default_model": "claude-1"}
    assert control(nova, "PUT", "/providers/claude", claude)[0] == 200
    choices = {"routing_aliases": "smart=near/cloud-1", "gateway.first_content_s": 1,
               "gateway.upstream_timeout_s": 1}
    assert control(nova, "PATCH", "/settings", choices)[0] == 200


def loading(nova, engines, answers):
    """While a model loads, what is asked for it would be a cloud's elsewhere."""
    engines.turn(load_mb_per_s=1000, stall_at_percent=50)
    model = write_gguf(engines.folder.parent / "slow.gguf")
    wish = control(nova, "POST", "/inference/backend/llamacpp/start", {"model": str(model)})
    assert wish[0] == 202, wish
    nova.wait_state("starting")
    wanted = nova.backend()["model"]
    ask_everything(nova, answers, (wanted, "nobody"), SLOW_ROUTES)
    nova.cli("stop", "--wait")


def journey(nova, cloud, engines, answers):
    configure(nova, cloud)
    ask_everything(nova, answers)  # nothing runs here yet
    loading(nova, engines, answers)
    with FakeCloud(["local-1"]) as local:
        nova.start("custom", "--url", local.url)
        for fault in FAULTS:
            local.turn(**fault)
            ask_everything(nova, answers, MODELS if not fault else ("local-1", "nobody"))
        for fault in SLOW_FAULTS:
            local.turn(**fault)
            ask_everything(nova, answers, ("local-1",), SLOW_ROUTES)
        local.turn()
        ask_everything(nova, answers, ("local-1",), [ROUTES[7]])
        answers["counted"] = answers[f"{ROUTES[7][0]} local-1"]
        miss(nova, answers)
        for provider in ("near", "claude", "openai"):
            answers[f"test {provider}"] = control(nova, "POST", f"/providers/{provider}/test")[0]
        # Configured anew, in another order, switched off and on: each is a reason to look at lists.
        for change in ({"order": 3}, {"enabled": False}, {"enabled": True}):
            assert control(nova, "PUT", "/providers/near", change)[0] == 200
        ask_everything(nova, answers, ("cloud-1", "missed"))
    ask_everything(nova, answers, ("local-1", "cloud-1"))  # it is gone, and nova does not know
    nova.cli("stop", "--wait")
    ask_everything(nova, answers)
    nova.process.kill()  # and once more from the start
    nova.process.wait()
    nova.serve()
    ask_everything(nova, answers, ("local-1", "cloud-1"))


def key_journey(nova, cloud, answers):
    """Everything is allowed to nova, and nothing of it to this key."""
    configure(nova, cloud)
    wish = {"name": "home", "never_cloud": True}
    key = json.loads(control(nova, "POST", "/keys", wish)[2])["key"]
    headers = {"x-api-key": key}
    ask_everything(nova, answers, headers=headers)
    with FakeCloud(["local-1"]) as local:
        nova.start("custom", "--url", local.url)
        for fault in FAULTS:
            local.turn(**fault)
            ask_everything(nova, answers, ("local-1", "cloud-1"), headers=headers)
    ask_everything(nova, answers, ("local-1",), headers=headers)


def main(mode, folder):
    loopback_up()
    everything_is_here()
    sink = Sink()
    sink.works()
    answers = {}
    env = {f"{name}_API_KEY": f"sk-seed-{name.lower()}" for name in KEYS}
    never_cloud = mode == "never-cloud"
    env["NOVA_INFERENCE_MODE"] = "hybrid" if never_cloud else mode
    engines = FakeLlama(pathlib.Path(folder).parent / "bin")
    with FakeCloud(["cloud-1", "claude-1"], host=AWAY) as cloud, \
            Nova(folder, [engines.folder], env=env) as nova:
        if never_cloud:
            key_journey(nova, cloud, answers)
        else:
            journey(nova, cloud, engines, answers)
        served = [path for method, path, _, _ in cloud.requests if method == "POST"]
        lists = sum(1 for method, path, _, _ in cloud.requests if method == "GET")
        configured = len(json.loads(control(nova, "GET", "/providers")[2])["providers"])
    print(json.dumps({"attempts": sorted(sink.seen), "answers": answers, "configured": configured,
                      "served_by_the_cloud": served, "lists_asked": lists}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
