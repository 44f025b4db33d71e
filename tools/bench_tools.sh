#!/usr/bin/env bash
# Brings nginx and wrk for benchmarks without installing them: an installed nginx package would
# start a server of its own on port 80. Prints the PATH and LD_LIBRARY_PATH to use, for eval.
set -euo pipefail

cache=${XDG_CACHE_HOME:-${HOME:?is not set; set HOME or XDG_CACHE_HOME}/.cache}
readonly folder=$cache/nova/bench-tools

if command -v nginx >/dev/null && command -v wrk >/dev/null; then
    exit 0
fi
if [[ ! -x $folder/usr/bin/wrk || ! -x $folder/usr/sbin/nginx ]]; then
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/.download-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && apt-get download -qq nginx wrk libluajit-5.1-2 libluajit-5.1-common >&2)
    for package in "$work"/*.deb; do
        dpkg -x "$package" "$folder"
    done
fi
printf 'export PATH=%q LD_LIBRARY_PATH=%q\n' \
    "$folder/usr/bin:$folder/usr/sbin:$PATH" "$folder/usr/lib/x86_64-linux-gnu"
