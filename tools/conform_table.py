#!/usr/bin/env python3
"""Writes the table of docs/conform.md from what `nova conform --json` said about each endpoint.

Each column is NAME=FILE; the text between the two markers of the document is replaced.

usage: tools/conform_table.py [--document docs/conform.md] NAME=FILE...
"""
import argparse
import json
import pathlib
import sys

BEGIN = "<!-- table: tools/conform_table.py -->"
END = "<!-- end of table -->"
SIGNS = {"pass": "yes", "fail": "**no**", "unknown": "?"}
ROOT = pathlib.Path(__file__).resolve().parents[1]


def one_line(text, limit=110):
    """A text that breaks neither a table nor a list."""
    text = " ".join(text.replace("|", "/").replace("`", "'").split())
    return text if len(text) <= limit else text[:limit] + "..."


def load(columns):
    reports = {}
    for column in columns:
        name, _, file = column.partition("=")
        reports[name] = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    return reports


def table(reports):
    checks = {}
    for report in reports.values():
        for check in report["checks"]:
            checks.setdefault(check["id"], check)
    lines = [f"| check | traps | | {' | '.join(reports)} |",
             f"|---|---|---|{'---|' * len(reports)}"]
    for name, check in checks.items():
        cells = []
        for report in reports.values():
            row = next((c for c in report["checks"] if c["id"] == name), None)
            cells.append(SIGNS[row["outcome"]] if row else "")
        traps = ", ".join(str(trap) for trap in check["traps"])
        lines.append(f"| {name} | {traps} | {check['severity']} | {' | '.join(cells)} |")
    return lines


def findings(reports):
    lines = []
    for column, report in reports.items():
        failed = [c for c in report["checks"] if c["outcome"] == "fail"]
        lines += ["", f"**{column}** ({', '.join(report['dialects'])}): {report['passed']} pass, "
                  f"{report['failed']} fail ({report['must_failed']} must), "
                  f"{report['unknown']} cannot tell.", ""]
        lines += [f"- {c['id']} ({c['severity']}): {one_line(c['observed'])} "
                  f"(expected: {one_line(c['expected'])})" for c in failed]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=pathlib.Path, default=ROOT / "docs" / "conform.md")
    parser.add_argument("columns", nargs="+", metavar="NAME=FILE")
    args = parser.parse_args()
    reports = load(args.columns)
    text = args.document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"conform_table: {args.document} has no markers")
    body = "\n".join(table(reports) + findings(reports))
    args.document.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
