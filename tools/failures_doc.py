#!/usr/bin/env python3
"""Writes docs/failures.md from data/failures.json; with --check says whether it is up to date."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "failures.md"
HEAD = """# Failures nova explains

Made from `data/failures.json` by `tools/failures_doc.py`; edit the data, not this page.

When an engine ends by itself, does not start, has to be stopped or refuses a model, nova looks in
the last 64 KiB of its log, in its answer and at how it ended for the signatures below
(`src/lifecycle/failure_catalog`). A signature is fixed text, never a pattern language; several
fragments must stand in one line or in this order, some only count for one engine or one exit
signal. The one with the most conditions wins, among equals the one nearest the end; the kernel's
word about memory outweighs any text.

What is found goes into `error` of the operation and of the backend: `code`, `detail`, `remedy`,
`failure` (the id), `confidence`, and up to 20 lines of the log around the place. Medium
confidence speaks with "Probably", low with "Possibly". What is not found is said to be unknown,
with the end of the log. "Again" says whether trying the same again can help; where it cannot,
nova stops trying until there is a new wish. The log of the newest failed run stays at
`DIR/logs/failed-<slot>.log`.

Observed: provoked on the real engine by `tests/scripts/provoke_failures.py`, which can do it
again. Documented: from the engine's documentation or issue tracker; the words were not seen here.

Try it: `nova explain FILE --engine llamacpp`.

| id | engines | cause | remedy | again | confidence | source |
|---|---|---|---|---|---|---|
"""


def page():
    """The whole text of docs/failures.md."""
    rows = []
    for failure in json.loads((ROOT / "data" / "failures.json").read_text())["failures"]:
        source = failure["source"]
        if source == "observed":
            source += ": " + failure["observed_with"]
        cells = (f"`{failure['id']}`", ", ".join(failure["engines"]) or "any", failure["cause"],
                 failure["remedy"], "yes" if failure["retry_helps"] else "no",
                 failure["confidence"], source)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return HEAD + "\n".join(rows) + "\n"


def main():
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != page():
            print("docs/failures.md is out of date; run tools/failures_doc.py")
            return 1
        return 0
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
