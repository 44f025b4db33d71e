#!/usr/bin/env bash
# Installs the Debian packages of tools/packages.txt that are missing: packages.sh build [test].
# Needs nothing but bash, dpkg and apt-get; says what it installs and asks for root only then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '%s\n' "packages: $*" >&2; }

wanted() { # the packages of the groups given
    local name group
    while read -r name group _; do
        case " $* " in *" $group "*) printf '%s\n' "$name" ;; esac
    done < <(grep -v '^#' packages.txt)
}

missing() { # those of the packages given that are not installed
    local name
    for name in "$@"; do
        if [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then
            printf '%s\n' "$name"
        fi
    done
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "root is needed and sudo is not there; run this as root, then start again:"
        say "  $*"
        exit 7
    fi
}

main() {
    if (($# == 0)); then
        say 'which? usage: tools/packages.sh build [test]'
        exit 2
    fi
    local all=() absent=()
    mapfile -t all < <(wanted "$@")
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "this is no Debian; install the like of these yourself: ${all[*]}"
        exit 7
    fi
    mapfile -t absent < <(missing "${all[@]}")
    if ((${#absent[@]} == 0)); then
        say "all ${#all[@]} packages are there"
        return
    fi
    say "installing ${absent[*]}"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
        --no-install-recommends "${absent[@]}")
    as_root apt-get update -qq
    as_root "${install[@]}" >&2
}

main "$@"
exit 0
