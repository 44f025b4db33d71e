#!/usr/bin/env python3
"""Turns files into a C++ source that holds their bytes (called by cmake/embed.cmake)."""
import argparse
import pathlib

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--name", required=True)
parser.add_argument("--source", required=True, type=pathlib.Path)
parser.add_argument("--header", required=True, type=pathlib.Path)
parser.add_argument("files", nargs="*", type=pathlib.Path)
args = parser.parse_args()

args.source.parent.mkdir(parents=True, exist_ok=True)
args.header.write_text(
    "#pragma once\n\n#include <span>\n#include <string_view>\n\n"
    "namespace nova::embedded {\n\n"
    f"struct {args.name}_file {{\n    std::string_view name;\n    std::string_view text;\n}};\n\n"
    f"std::span<const {args.name}_file> {args.name}();\n\n"
    "}  // namespace nova::embedded\n"
)

out = [f'#include "embedded/{args.name}.hpp"\n\nnamespace nova::embedded {{\nnamespace {{\n']
for index, path in enumerate(args.files):
    data = path.read_bytes()
    rows = [", ".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    out.append(f"constexpr unsigned char bytes_{index}[] = {{\n")
    out.append(",\n".join(rows or ["0"]) + "};\n")
out.append(f"const {args.name}_file files[] = {{\n")
for index, path in enumerate(args.files):
    size = path.stat().st_size
    out.append(
        f'    {{"{path.name}", {{reinterpret_cast<const char*>(bytes_{index}), {size}}}}},\n'
    )
out.append(f"}};\n}}  // namespace\n\nstd::span<const {args.name}_file> {args.name}() {{\n"
           "    return files;\n}\n\n}  // namespace nova::embedded\n")
args.source.write_text("".join(out))
