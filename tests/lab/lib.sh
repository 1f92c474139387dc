# shellcheck shell=bash disable=SC2034  # most of this is for those who source it
# What the lab's scripts share: where state lives, how they fail, locks, packages. Sourced, never run.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB="${CARGO_TARGET_DIR:-$REPO/target}/lab"
SUITES="trixie bookworm"
LABEL=rmachine.lab=1
# Checkouts share an engine, and `down --all` in one must not end the tests of another.
OWNER=rmachine.lab.state=$LAB
mkdir -p "$LAB"

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

note() {
    echo "${0##*/}: $*" >&2
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# A user who is not in the group `docker` but may use sudo works with the engine all the same.
docker() {
    if [ -w /var/run/docker.sock ] || [ "$(id -u)" -eq 0 ]; then
        command docker "$@"
    else
        as_root docker "$@"
    fi
}

lock_file() {
    local dir=/run/lock
    [ -w "$dir" ] || dir=/tmp
    echo "$dir/rmachine-lab-$(id -u)-$1"
}

# One lock a purpose for the whole machine, since checkouts share one engine. Held until the shell that
# took it ends or closes descriptor 9: whatever outlives the script must be started with 9>&-.
lock() {
    exec 9>>"$(lock_file "$1")"
    flock "${2:---exclusive}" --timeout 900 9 || die "the lock '$1' was not free for 15 minutes"
}

unlock() {
    exec 9>&-
}

# need COMMAND:PACKAGE...  installs the packages of the commands (or files, by full path) that are missing.
need() {
    local pair missing=()
    for pair in "$@"; do
        case $pair in
            /*) [ -e "${pair%%:*}" ] || missing+=("${pair#*:}") ;;
            *) PATH="$PATH:/usr/sbin:/sbin" type -P "${pair%%:*}" >/dev/null || missing+=("${pair#*:}") ;;
        esac
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

install_packages() {
    note "installing $*"
    # One at a time: apt itself would not wait for another's list of packages.
    {
        flock 8
        {
            as_root apt-get update -qq &&
                as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
        } >"$LAB/apt.log" 2>&1 </dev/null 8>&- 9>&- && return
    } 8>>"$(lock_file apt)"
    tail -n 5 "$LAB/apt.log" >&2
    die "could not install $*: apt-get needs root and the network; its log: $LAB/apt.log"
}

engine_answers() {
    docker info >/dev/null 2>&1
}

# The mirror that this system uses, since others may not be reachable.
mirror() {
    sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\).*/\2/p' \
        /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1
}
