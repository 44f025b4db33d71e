"""Ollama and llama.cpp take turns under fifty streaming clients, as somebody outside sees it."""
import collections
import http.client
import json
import os
import pathlib
import statistics
import threading
import time

import pytest

from fake_cloud import TEXT, FakeCloud
from nova_fixture import LONG, Nova, engine_dir, model_path, request, until

ROUNDS = 20 if LONG else 2
CLIENTS = 50
LONG_DRAIN_S = 300
SHORT_DRAIN_S = 15
POLL_S = 0.01
GAP_LIMIT_S = 0.3
TICKS = os.sysconf("SC_CLK_TCK")
DONE = b"data: [DONE]\n\n"
CLOUD = "remote"  # the provider's id
CLOUD_KEY = "sk-r"
PARALLEL = 4  # requests that nova lets llama.cpp compute at once
ENDLESS = 6  # more than that: who waits behind them has no byte when they are cut


class Client:
    """Streams one answer after the other and writes down how each one ended.

    Once it is over it reads what the provider `leaves` gives no further: it closes its connection.
    Answers of anybody else are read to their end, so that none of them can be cut unseen."""

    def __init__(self, nova, model, leaves=None, **fields):
        self.nova = nova
        self.leaves = leaves
        self.body = json.dumps({"model": model, "stream": True, "max_tokens": 4, **fields,
                                "messages": [{"role": "user", "content": "Say hello."}]})
        self.answers = []  # (kind, began, ended, detail)
        self.began = None
        self.streams = False  # its answer has begun
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _once(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.nova.gateway,
                                                timeout=2 * LONG_DRAIN_S)
        try:
            connection.request("POST", "/v1/chat/completions", self.body,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = self._read(answer)
        except (OSError, http.client.HTTPException) as error:
            return "broken", repr(error)
        finally:
            connection.close()
        if text is None:
            return "left", b""
        if answer.getheader("X-Nova-Provider") == CLOUD:
            good = answer.status == 200 and text.endswith(DONE) and content(text) == TEXT
            return ("by the cloud" if good else "badly by the cloud"), text[-300:]
        if answer.status == 503:
            return ("refused" if answer.getheader("Retry-After") else "no Retry-After"), text
        if answer.status != 200:
            return f"HTTP {answer.status}", text
        if text.endswith(DONE) and b'"error"' not in text:
            return "whole", b""
        return ("cut" if b'data: {"error"' in text else "cut without its event"), text[-300:]

    def _read(self, answer):
        """The whole body; None when the client left before its end."""
        pieces = []
        while piece := answer.read1():
            pieces.append(piece)
            self.streams = True
            provider = answer.getheader("X-Nova-Provider")
            if self.over.is_set() and provider is not None and provider == self.leaves:
                return None
        return b"".join(pieces)

    def _run(self):
        while not self.over.is_set():
            self.began = time.monotonic()
            kind, detail = self._once()
            self.streams = False
            self.answers.append((kind, self.began, time.monotonic(), detail))
            if kind in ("refused", "by the cloud"):
                self.over.wait(0.2)

    def leave(self):
        self.over.set()
        self.thread.join()


def content(stream):
    """What an OpenAI event stream says."""
    events = [json.loads(line[6:]) for line in stream.decode().split("\n\n")
              if line.startswith("data: {")]
    return "".join(event["choices"][0]["delta"].get("content") or ""
                   for event in events if event["choices"])


class Outside:
    """Looks every 10 ms: does the gateway say ready, and since when does an engine's model run."""

    def __init__(self, nova):
        self.nova = nova
        self.ready = []  # (when, bool), changes only
        self.engines = {}  # pid -> seconds from exec to its first good answer
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._gateway),
                        threading.Thread(target=self._engines)]
        for thread in self.threads:
            thread.start()

    def _gateway(self):
        while not self.over.wait(POLL_S):
            try:
                now = request(self.nova.gateway, "GET", "/health/ready", timeout=5)[0] == 200
            except OSError:
                now = False
            if not self.ready or self.ready[-1][1] != now:
                self.ready.append((time.monotonic(), now))

    def _engines(self):
        while not self.over.wait(POLL_S):
            for pid in self.nova.engine_pids():
                if pid not in self.engines and answers(pid):
                    self.engines[pid] = time.monotonic() - exec_time(pid)

    def leave(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def exec_time(pid):
    """When the process began, on the monotonic clock (both count from boot)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    since_boot = int(fields[19]) / TICKS
    return since_boot - (time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic())


def answers(pid):
    """True when that engine would answer a chat right now: its model is in memory."""
    try:
        argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        environment = dict(e.split(b"=", 1) for e in pathlib.Path(
            f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in e)
        if b"serve" in argv and b"OLLAMA_HOST" in environment:
            port = int(environment[b"OLLAMA_HOST"].rpartition(b":")[2])
            status, _, body = request(port, "GET", "/api/ps", timeout=2)
            return status == 200 and bool(json.loads(body)["models"])
        if b"--port" in argv and b"--alias" in argv:
            port = int(argv[argv.index(b"--port") + 1])
            return request(port, "GET", "/health", timeout=2)[0] == 200
    except (OSError, ValueError, http.client.HTTPException):
        pass
    return False


def nova_with_both(folder, drain_s):
    return Nova(folder, [engine_dir("llamacpp"), engine_dir("ollama")],
                {"NOVA_DRAIN_S": str(drain_s)})


def switch(nova, engine):
    nova.cli("switch", engine, "--model", model_path(), "--strategy", "drain", "--wait",
             timeout=2 * LONG_DRAIN_S)
    row = json.loads(nova.cli("operations", "--json").stdout)["operations"][0]
    assert row["state"] == "succeeded", row


def gap_beyond(outside, clients, known):
    """Seconds nobody was served after the old side had drained, less the new engine's own."""
    (closed, _), (opened, _) = [change for change in outside.ready][-2:]
    drained = max((a[2] for c in clients for a in c.answers
                   if a[0] == "whole" and a[1] < closed and a[2] < opened), default=closed)
    new = until(lambda: [p for p in outside.engines if p not in known], 10, "the new engine")
    return opened - max(closed, drained) - outside.engines[new[0]]


def stand_in(nova, cloud):
    """Makes the fake cloud the fallback."""
    status, _, raw = request(nova.control, "PUT", f"/api/v1/recovery/providers/{CLOUD}",
                             {"base_url": cloud.url, "secret": CLOUD_KEY,
                              "default_model": "cloud-1"},
                             headers={"X-Admin-Secret": nova.secret()})
    assert status == 200, raw
    until(lambda: b"cloud-1" in nova.get("/v1/models")[2], 20, "the cloud's models")


def tally(clients):
    """How many answers ended in which way."""
    return collections.Counter(a[0] for client in clients for a in client.answers)


def end(clients):
    for client in clients:
        client.over.set()
    for client in clients:
        client.leave()


def served_again(clients):
    """Waits until each of them could have had an answer from this side."""
    before = tally(clients)["whole"]
    until(lambda: tally(clients)["whole"] >= before + CLIENTS, 300, "answers")


def test_taking_turns_cuts_nobody(tmp_path):
    with nova_with_both(tmp_path / "data", LONG_DRAIN_S) as nova:
        nova.start("ollama", "--model", model_path())  # uploads the file once
        switch(nova, "llamacpp")
        model = nova.model()
        outside = Outside(nova)
        clients = [Client(nova, model) for _ in range(CLIENTS)]
        gaps = []
        try:
            for turn in range(ROUNDS):
                served_again(clients)
                known = set(outside.engines)
                switch(nova, "ollama" if turn % 2 == 0 else "llamacpp")
                until(lambda: outside.ready[-1][1], 10, "ready, seen from outside")
                gaps.append(gap_beyond(outside, clients, known))
        finally:
            end(clients)
            outside.leave()
        kinds = tally(clients)
        print(f"{ROUNDS} rounds, answers: {dict(kinds)}; gap beyond the engine's own: "
              f"median {statistics.median(gaps) * 1000:.0f} ms, worst {max(gaps) * 1000:.0f} ms")
        assert set(kinds) <= {"whole", "refused"}, kinds
        assert kinds["whole"] and kinds["refused"]
        assert max(gaps) <= GAP_LIMIT_S, gaps


def test_a_cloud_answers_whoever_comes_while_the_engines_change(tmp_path):
    with FakeCloud(["cloud-1"], key=CLOUD_KEY) as cloud, \
            nova_with_both(tmp_path / "data", LONG_DRAIN_S) as nova:
        nova.start("ollama", "--model", model_path())
        switch(nova, "llamacpp")
        model = nova.model()
        stand_in(nova, cloud)
        clients = [Client(nova, model) for _ in range(CLIENTS)]
        in_each = []
        try:
            for turn in range(ROUNDS):
                served_again(clients)
                before = tally(clients)["by the cloud"]
                switch(nova, "ollama" if turn % 2 == 0 else "llamacpp")
                in_each.append(tally(clients)["by the cloud"] - before)
        finally:
            end(clients)
        kinds = tally(clients)
        print(f"{ROUNDS} rounds with a cloud, answers: {dict(kinds)}; "
              f"by the cloud in each: {in_each}")
        assert set(kinds) == {"whole", "by the cloud"}, kinds
        assert min(in_each) > 0
        assert len(cloud.asked("/chat/completions")) == kinds["by the cloud"]


@pytest.mark.parametrize("instead", ["refused", "by the cloud"])
def test_only_what_is_older_than_the_drain_is_cut(tmp_path, instead):
    """Who has no byte yet when the time of the drain is over is not cut, but answered instead."""
    with FakeCloud(["cloud-1"], key=CLOUD_KEY) as cloud, \
            nova_with_both(tmp_path / "data", SHORT_DRAIN_S) as nova:
        nova.start("llamacpp", "--model", model_path())
        model = nova.model()
        if instead == "by the cloud":
            stand_in(nova, cloud)
        brief = [Client(nova, model) for _ in range(CLIENTS - ENDLESS)]
        # What Ollama gives them afterwards could last for many minutes and is of no interest.
        endless = []
        try:
            until(lambda: tally(brief)["whole"] >= CLIENTS, 300, "answers")
            endless += [Client(nova, model, leaves="ollama", max_tokens=4000, ignore_eos=True)
                        for _ in range(ENDLESS)]
            until(lambda: sum(client.streams for client in endless) == PARALLEL, 300,
                  "streams in all places of the engine")
            switch(nova, "ollama")
        finally:
            end(brief + endless)
        ends = [answer for client in endless + brief for answer in client.answers]
        kinds = tally(endless + brief)
        assert set(kinds) <= {"whole", "cut", "left", instead}, kinds
        cut = [answer for answer in ends if answer[0] == "cut"]
        assert cut, "no stream was longer than the drain"
        for _, began, ended, detail in cut:
            assert ended - began >= SHORT_DRAIN_S - 0.5, (ended - began, detail)
        queued = [a for a in ends if a[0] == instead and a[2] - a[1] >= SHORT_DRAIN_S - 0.5]
        assert queued, "nobody had waited for a place when the drain was over"
        print(f"{dict(kinds)}; the youngest was cut after {min(a[2] - a[1] for a in cut):.1f} s; "
              f"{len(queued)} without a byte until then were {instead}")
