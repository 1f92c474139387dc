# shellcheck shell=bash
# Roots of Debian sid, which alone has VirtualBox. Sourced after lab/lib.sh.

# placeholder DIR NAME VERSION [PROVIDES]  a package with nothing in it, for others to depend on; prints its file.
placeholder() {
    mkdir -p "$1/$2/DEBIAN"
    printf '%s\n' "Package: $2" "Version: $3" "Provides: ${4:-$2}" 'Architecture: all' \
        'Maintainer: nobody <nobody@localhost>' 'Description: stands in for the real one' >"$1/$2/DEBIAN/control"
    dpkg-deb -b "$1/$2" "$1/$2.deb" >/dev/null
    echo "$1/$2.deb"
}

# sid_root ROOT PLACEHOLDER INSTALLED [DOWNLOADED]  makes ROOT with these packages, and those in its /srv, since mmdebstrap
# empties /tmp. The archive may be a frozen one, whose list is too old for apt.
# shellcheck disable=SC2016  # for the shells that mmdebstrap starts
sid_root() {
    local log=$1.log
    as_root rm -rf "$1.new"
    as_root mmdebstrap --variant=minbase --components=main,contrib \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook="mkdir -p \"\$1/tmp/deb\" && cp '$2' \"\$1/tmp/deb/\"" \
        --customize-hook='chroot "$1" sh -c "dpkg -i /tmp/deb/*.deb"' \
        --customize-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod +x "$1/usr/sbin/policy-rc.d"' \
        --customize-hook='cp /etc/resolv.conf "$1/etc/resolv.conf"; chroot "$1" apt-get update -q' \
        --customize-hook="DEBIAN_FRONTEND=noninteractive chroot \"\$1\" apt-get install -y -q --no-install-recommends $3" \
        --customize-hook="[ -z '${4:-}' ] || chroot \"\$1\" sh -c 'cd /srv && apt-get download -q ${4:-}'" \
        sid "$1.new" "$(mirror)" >"$log" 2>&1 9>&- || {
        tail -n 5 "$log" >&2
        die "a root with $3 could not be made; its log: $log"
    }
}
