"""What the provoking of failures shares: folders, limits of the kernel, and neutral paths."""
import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 90
CGROUPS = pathlib.Path("/sys/fs/cgroup")


class Unavailable(Exception):
    """This kernel or user has no means to bring about that situation; nothing was tried."""


@dataclasses.dataclass
class Words:
    """What an engine said, and how it ended: "code 1", "signal 9", "oom", "running"."""

    engine: str
    ended: str
    log: str


@functools.cache
def engine_dir(name):
    """The folder of an engine from tools/engines.sh."""
    done = subprocess.run([ROOT / "tools" / "engines.sh", name, "--print-dir"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"tools/engines.sh {name}: {done.stderr}"
    return pathlib.Path(done.stdout.strip())


class Place:
    """A folder for one case, and the sound model file."""

    def __init__(self, folder):
        self.folder = folder
        self.model = next(engine_dir("model").glob("*.gguf"))

    def path(self, name):
        return self.folder / name

    def patched(self, old, new, name="model.gguf"):
        """A copy of the model in which the first `old` is `new`."""
        raw = self.model.read_bytes()
        assert old in raw and len(old) == len(new)
        return self.written(raw.replace(old, new, 1), name)

    def written(self, raw, name="model.gguf"):
        path = self.path(name)
        path.write_bytes(raw)
        return path

    def head(self, size, name="model.gguf"):
        with open(self.model, "rb") as file:
            return self.written(file.read(size), name)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def taken_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def ended(returncode):
    return f"signal {-returncode}" if returncode < 0 else f"code {returncode}"


def until(condition, what, seconds=LIMIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen in {seconds} s")


def without_rights():
    """Words before a command that take root's right to open every file."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]


def address_space(limit):
    """For preexec_fn: no more than so many bytes of addresses."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def parent_group(controller):
    """The folder in which root makes control groups that limit this; `Unavailable` without one."""
    if os.geteuid() != 0:
        raise Unavailable("only root makes control groups")
    for folder in (CGROUPS / controller, CGROUPS):
        if not (folder / "cgroup.procs").exists():
            continue
        if not os.access(folder, os.W_OK):
            raise Unavailable(f"{folder} is mounted read-only")
        if folder != CGROUPS:
            return folder
        if controller in (folder / "cgroup.controllers").read_text().split():
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
            return folder
    raise Unavailable(f"no control group limits {controller} here")


@contextlib.contextmanager
def control_group(controller, files, limit):
    """A control group with that limit in the first of its files that exists; yields a preexec_fn.

    Where the kernel offers such groups, a failure to make one is a failure of the case.
    """
    group = parent_group(controller) / f"provoke-{os.getpid()}"
    group.mkdir()
    try:
        next(group / file for file in files if (group / file).exists()).write_text(str(limit))
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty", 20)
        group.rmdir()


def memory_cgroup(limit):
    """A control group whose members get so many bytes."""
    return control_group("memory", ("memory.limit_in_bytes", "memory.max"), limit)


def thread_limit(count):
    """A control group of so many threads."""
    return control_group("pids", ("pids.max",), count)


def may_mount():
    """Whether this process has CAP_SYS_ADMIN."""
    status = pathlib.Path("/proc/self/status").read_text()
    return bool(int(re.search(r"^CapEff:\s*(\w+)", status, re.M)[1], 16) >> 21 & 1)


@contextlib.contextmanager
def small_disk(folder, size="8m"):
    """A file system of its own with little room."""
    if not may_mount():
        raise Unavailable("this user may mount nothing")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def children_of(pid):
    """Pids of the direct children."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        found = []
        for task in tasks:
            text = pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text()
            found += [int(word) for word in text.split()]
        return found
    except OSError:
        return []


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def neutral(log, place):
    """The log without what only this machine has: folders, keys, the resolver's address."""
    for path, name in ((place.folder, "/srv/models"), (place.model.parent, "/models"),
                       (engine_dir("llamacpp"), "/opt/llamacpp"),
                       (engine_dir("ollama"), "/opt/ollama")):
        log = log.replace(str(path), name)
    log = re.sub(r"/[^\s\"]*/\.new-ollama-\w+/go/", "/build/go/", log)
    log = re.sub(r"ssh-ed25519 \S+", "ssh-ed25519 AAAA", log)
    log = re.sub(r"(lookup \S+ on )[0-9.]+:53", r"\g<1>192.0.2.53:53", log)
    log = log.replace(str(pathlib.Path.home()) + "/", "/home/user/")
    return "".join(c for c in log if c in "\n\t" or ord(c) >= 32)
