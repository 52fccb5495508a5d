#!/bin/sh
# The place where the bench runs: namespaces of its own, a small root of its own, and a cgroup v2
# hierarchy that begins at a group of its own. Nothing measured there can reach the machine, and
# whatever a runtime leaves behind is found, and goes away with the arena.
#
#     arena.sh outside FOLDER    in a new mount namespace: makes the group, starts the inside
#     arena.sh inside FOLDER     in new mount, pid and cgroup namespaces: makes the root, runs the bench
#
# FOLDER holds: arena.sh, xtask, what of husk is measured, floor, meter, rootfs, the bundles, and
# `peers`, the unpacked packages. What follows FOLDER goes to the bench.
set -eu
stage=$1 folder=$2
shift 2
group=husk-bench-$$

# A group is removed from its leaves up; nothing else can be removed in a cgroup file system.
remove_group() {
    find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

leave() {
    status=$?
    trap - EXIT
    # This shell still lives in the group, and a group with a process in it cannot be removed.
    echo $$ >"$folder/cgroup$home/cgroup.procs" || true
    remove_group "$folder/cgroup/$group"
    exit $status
}

outside() {
    mkdir -p "$folder/cgroup" "$folder/root"
    mount -t cgroup2 none "$folder/cgroup"
    # What a killed bench left; a group that is in use refuses.
    for old in "$folder"/cgroup/husk-bench-*; do
        [ ! -d "$old" ] || remove_group "$old"
    done
    home=$(sed -n 's/^0:://p' /proc/self/cgroup)
    mkdir "$folder/cgroup/$group"
    trap leave EXIT
    trap 'exit 130' INT TERM
    echo $$ >"$folder/cgroup/$group/cgroup.procs"
    # A cgroup namespace begins at the group of the process that makes it. A second mount namespace,
    # because pivot_root would change the root of this shell as well.
    unshare --cgroup --mount --propagation private --pid --fork --kill-child \
        sh "$folder/arena.sh" inside "$folder" "$@"
}

inside() {
    mount -t tmpfs -o mode=755 root "$folder/root"
    cd "$folder/root"
    mkdir usr etc proc sys dev run tmp bench old
    ln -s usr/bin usr/sbin usr/lib usr/lib64 .
    mount --bind "$folder/peers/usr" usr
    mount --bind "$folder/peers/etc" etc
    mount --bind "$folder" bench
    # What is measured on a disk has a file system of its own: how fast files are made on the machine's depends on
    # what else is on it, and on where.
    if [ -e "$folder/disk" ]; then
        mkdir -p bench/fresh
        mount -t ext4 -o loop "$folder/disk" bench/fresh
    fi
    mount -t proc -o nosuid,nodev,noexec proc proc
    mount -t sysfs -o nosuid,nodev,noexec sysfs sys
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
    mount --rbind /dev dev
    mount -t tmpfs -o nosuid,nodev,mode=755 run run
    mount -t tmpfs -o nosuid,nodev,mode=1777 tmp tmp
    # Not in the root group of the arena: with a process in it, it could not have controllers.
    mkdir sys/fs/cgroup/bench
    echo $$ >sys/fs/cgroup/bench/cgroup.procs
    pivot_root . old
    cd /
    /bench/rootfs/bin/busybox umount -l /old
    /bench/rootfs/bin/busybox rmdir /old
    # Not exec: this shell is process 1, and reaps what the runtimes leave behind.
    /bench/xtask bench inside "$@"
}

"$stage" "$@"
