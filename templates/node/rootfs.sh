#!/bin/sh
# Makes the root file system of a node as a tar archive.
#
#   rootfs.sh SUITE OUTPUT [PACKAGE...]      OUTPUT: a file NAME.tar, or - for the standard output
#
# SUITE is a Debian suite (bookworm, trixie, sid); PACKAGE is installed besides those in `packages`.
# Takes mmdebstrap, or debootstrap where only that exists; needs root. The result depends on the archive's
# state and, beyond it, on the arguments alone. Import it with `CMD ["/usr/local/sbin/node-init"]`.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# Clamps the times in the archive, so that two runs on the same archive state agree.
: "${SOURCE_DATE_EPOCH:=1735689600}"
export SOURCE_DATE_EPOCH

die() {
    echo "rootfs.sh: $1" >&2
    exit 1
}

[ $# -ge 2 ] || die "usage: rootfs.sh SUITE OUTPUT [PACKAGE...]"
suite=$1
output=$2
shift 2
[ "$(id -u)" -eq 0 ] || die "a root file system can be made by root only; run it with sudo"

packages=$(grep -v '^#' "$here/packages" | tr '\n' ' ')
include=$(echo "$packages" "$@" | tr -s ' ' ',')

# Both leave the name servers of the machine that builds in resolv.conf: the node's engine writes its own.
with_mmdebstrap() {
    # shellcheck disable=SC2016  # $1 is the root, as mmdebstrap's own shell knows it
    mmdebstrap --variant=minbase --include="$include" \
        --customize-hook="upload '$here/init' /usr/local/sbin/node-init" \
        --customize-hook="upload '$here/setup.sh' /tmp/setup.sh" \
        --customize-hook='chroot "$1" sh /tmp/setup.sh && rm "$1/tmp/setup.sh"' \
        --customize-hook=': >"$1/etc/resolv.conf"' \
        "$suite" "$output"
}

with_debootstrap() {
    root=$(mktemp -d)
    trap 'rm -rf --one-file-system "$root"' EXIT
    debootstrap --variant=minbase --include="$include" "$suite" "$root" >&2
    cp "$here/init" "$root/usr/local/sbin/node-init"
    chroot "$root" sh <"$here/setup.sh" >&2
    : >"$root/etc/resolv.conf"
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar --sort=name --numeric-owner --xattrs --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime \
        --one-file-system -C "$root" -cf "$output" .
}

if command -v mmdebstrap >/dev/null; then
    with_mmdebstrap
elif command -v debootstrap >/dev/null; then
    with_debootstrap
else
    die "neither mmdebstrap nor debootstrap is here; try: apt-get install mmdebstrap"
fi
