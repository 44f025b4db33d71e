#!/usr/bin/env python3
"""Makes real engines fail in every way data/failures.json claims to have observed.

Each case starts llama-server or Ollama so that it cannot work, waits for its end or its refusal,
and keeps what it said. `--capture` writes src/lifecycle/testdata/failures/<id>.txt (machine paths
replaced); without it, each log is given to `nova explain`, which must name exactly that id.

usage: tests/scripts/provoke_failures.py [--capture] [--list] [ID ...]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import provoke_llamacpp  # noqa: E402
import provoke_ollama  # noqa: E402
from provoking import ROOT, Place, Unavailable, neutral  # noqa: E402

CASES = {**provoke_llamacpp.CASES, **provoke_ollama.CASES}
TESTDATA = ROOT / "src" / "lifecycle" / "testdata" / "failures"
LINES_KEPT = 60


def provoke(name):
    """The case's Words: what the engine said and how it ended."""
    with tempfile.TemporaryDirectory(prefix="provoke-") as folder:
        place = Place(pathlib.Path(folder))
        words = CASES[name](place)
        words.log = neutral(words.log, place)
    return words


def text_of(words):
    """The file of testdata: how it ended, an empty line, the log's end."""
    lines = words.log.strip("\n").split("\n")[-LINES_KEPT:]
    return f"engine: {words.engine}\nended: {words.ended}\n\n" + "\n".join(lines) + "\n"


def explain(nova, words):
    """The id that nova gives to the log, or None."""
    flags = ["--engine", words.engine]
    kind, _, number = words.ended.partition(" ")
    if kind in ("code", "signal"):
        flags += [f"--exit-{kind}", number]
    if kind == "oom":
        flags += ["--exit-signal", "9", "--out-of-memory"]
    done = subprocess.run([nova, "explain", "-", "--json", *flags], input=words.log, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"nova explain: {done.returncode} {done.stderr}")
    return json.loads(done.stdout)["failure"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capture", action="store_true", help="write the excerpts of testdata")
    parser.add_argument("--list", action="store_true", help="print the ids and end")
    parser.add_argument("ids", nargs="*", metavar="ID")
    args = parser.parse_args()
    if args.list:
        print("\n".join(CASES))
        return 0
    nova = os.environ.get("NOVA_BIN", str(ROOT / "build" / "release" / "nova"))
    wrong = 0
    for name in args.ids or CASES:
        try:
            words = provoke(name)
        except Unavailable as reason:
            print(f"{name}: cannot be provoked here: {reason}")
            continue
        if args.capture:
            TESTDATA.mkdir(parents=True, exist_ok=True)
            (TESTDATA / f"{name}.txt").write_text(text_of(words))
            print(f"{name}: {words.ended}")
            continue
        found = explain(nova, words)
        wrong += found != name
        print(f"{name}: {'ok' if found == name else f'explained as {found}'}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
