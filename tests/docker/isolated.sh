#!/usr/bin/env bash
# isolated.sh COMMAND [ARGUMENT...]: network, mounts and processes of its own for a Docker of a
# test. Bridges, firewall rules, mounts, containers and daemons all end with the command, however
# that ends. Needs root, as a Docker daemon does; needs no systemd.
set -euo pipefail

readonly loopback_up='
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))'

# A bare chroot has no control groups, and a daemon does not start without.
mount_cgroups() {
    local name hierarchy groups enabled
    if grep -q ' cgroup2\? ' <(awk '{print " " $3 " "}' /proc/mounts); then
        return
    fi
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    while read -r name hierarchy groups enabled; do
        if [[ $name != '#'* && $hierarchy != 0 && $enabled == 1 ]]; then
            mkdir -p "/sys/fs/cgroup/$name"
            mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" || rmdir "/sys/fs/cgroup/$name"
        fi
    done </proc/cgroups
    : "$groups"
    if [[ -z $(ls /sys/fs/cgroup) ]]; then
        umount /sys/fs/cgroup
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
    fi
}

if [[ ${1:-} != --inside ]]; then
    if ((EUID != 0)); then
        printf 'tests/docker start a Docker daemon of their own, which only root may do.\n' >&2
        exit 1
    fi
    export NOVA_TEST_CGROUP=nova-test-$$
    code=0
    # Not exec: what the daemon made of control groups is left when all of it is gone.
    unshare --net --mount --pid --ipc --fork --kill-child --mount-proc -- \
        "${BASH_SOURCE[0]}" --inside "$@" || code=$?
    find /sys/fs/cgroup -depth -type d -path "*/$NOVA_TEST_CGROUP*" -exec rmdir {} + || true
    exit "$code"
fi
shift
python3 -c "$loopback_up"
mount_cgroups
# Not exec: process 1 has to reap what daemons leave behind, which bash does.
"$@"
