#!/usr/bin/env bash
# tree.sh PROGRAM FOLDER: a folder with the program, the libraries it is linked with and the
# certificate authorities: all of nova's image that its base does not have to bring.
set -euo pipefail

if (($# != 2)) || [[ ! -x $1 ]]; then
    printf 'usage: packaging/tree.sh PROGRAM FOLDER\n' >&2
    exit 2
fi
program=$1 tree=$2

mkdir -p "$tree/usr/local/bin" "$tree/usr/lib/nova" "$tree/etc/ssl/certs"
install -m 755 "$program" "$tree/usr/local/bin/nova"
# Not the C library and its loader: a base that is a Debian 12 has its own, and two would not mix.
while read -r library; do
    case ${library##*/} in
        ld-linux* | libc.so.* | libm.so.* | libresolv.so.*) ;;
        *) install -m 644 "$library" "$tree/usr/lib/nova/" ;;
    esac
done < <(ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3}')
if [[ -f /etc/ssl/certs/ca-certificates.crt ]]; then
    install -m 644 /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
fi
