#!/usr/bin/env bash
# Makes nova's image: by packaging/Dockerfile, or of a program that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'TEXT'
usage: packaging/image.sh [--tag TAG] [--program FILE [--base IMAGE | --import-base]]

  --tag TAG        name of the image (default nova:local)
  --program FILE   put this program into the image instead of building one inside
  --base IMAGE     what the image stands on (default debian:bookworm-slim)
  --import-base    no registry needed: import a base from this machine's C library

example: packaging/image.sh --program build/release/nova --import-base
TEXT
}

fail() {
    printf 'image: %s\n' "$*" >&2
    exit "${2:-1}"
}

work=''
trap '[[ -z $work ]] || rm -rf "$work"' EXIT

# A base of the least that a program linked with this machine's C library needs to start.
import_base() {
    local root=$work/base library folder
    mkdir -p "$root/tmp" "$root/etc" "$root/root"
    chmod 1777 "$root/tmp"
    while read -r library; do
        case ${library##*/} in
            ld-linux* | libc.so.* | libm.so.* | libresolv.so.*)
                mkdir -p "$root${library%/*}"
                cp -L "$library" "$root$library"
                ;;
        esac
    done < <(ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-linux/ {print $1}')
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
    printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
    # Names are looked up through these two.
    folder=/lib/$(uname -m)-linux-gnu
    for library in libnss_dns.so.2 libnss_files.so.2; do
        if [[ -e $folder/$library ]]; then
            cp -L "$folder/$library" "$root$folder/"
        fi
    done
    tar -C "$root" -c . | docker import - "$2" >/dev/null
}

main() {
    local tag=nova:local program='' base=debian:bookworm-slim import=no
    while (($# > 0)); do
        case $1 in
            --tag | --program | --base)
                [[ -n ${2-} ]] || fail "$1 needs a value; see packaging/image.sh --help." 2
                printf -v "${1#--}" '%s' "$2"
                shift
                ;;
            --import-base) import=yes ;;
            -h | --help)
                usage
                return
                ;;
            *)
                usage >&2
                exit 2
                ;;
        esac
        shift
    done
    command -v docker >/dev/null || fail 'docker is not installed; install it first (docker.io).' 7
    if [[ -z $program ]]; then
        docker build -f packaging/Dockerfile --build-arg "BASE=$base" -t "$tag" .
        return
    fi
    [[ -x $program ]] ||
        fail "$program is no program; build it: cmake --build build/release --target nova"
    work=$(mktemp -d)
    if [[ $import == yes ]]; then
        base=nova-base:local
        import_base "$program" "$base"
    fi
    mkdir "$work/context"
    packaging/tree.sh "$program" "$work/context/tree"
    docker build -f packaging/Dockerfile.tree --build-arg "BASE=$base" -t "$tag" "$work/context"
}

main "$@"
