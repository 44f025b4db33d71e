"""A folder for PATH whose llama-server is the fake engine, and a model file small enough to cut."""
import json
import os
import pathlib
import struct

from nova_fixture import ROOT
from fake_engine import binary


class FakeLlama:
    """`folder` goes to the front of PATH; turn() orders the faults of engines started from it."""

    def __init__(self, folder, **knobs):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        (self.folder / "llama-server").symlink_to(binary().resolve())
        self.turn(**knobs)

    def turn(self, **knobs):
        """Replaces the knobs of running and coming engines, at once and whole."""
        fresh = self.folder / "state.new"
        fresh.write_text(json.dumps(knobs))
        os.replace(fresh, self.folder / "fake_engine.state.json")


def write_gguf(path, rows=1024):
    """A sound GGUF file of one tensor: enough for nova's checks and the fake engine."""
    def text(value):
        raw = value.encode()
        return struct.pack("<Q", len(raw)) + raw

    head = struct.pack("<4sIQQ", b"GGUF", 3, 1, 1)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 32, rows, 0, 0)
    head += bytes(-len(head) % 32)
    path = pathlib.Path(path)
    path.write_bytes(head + bytes(32 * rows * 4))
    return path


def impatient_engine(data, grace_s=1):
    """Overrides llama.cpp's data for one nova: SIGKILL comes soon after SIGTERM."""
    spec = json.loads((ROOT / "data" / "engines" / "llamacpp.json").read_text())
    spec["grace_s"] = grace_s
    folder = pathlib.Path(data) / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "llamacpp.json").write_text(json.dumps(spec))
