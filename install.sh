#!/bin/sh
# Installs rmachine from this checkout; with --demo also shows it at work. See usage() below.
set -eu

RUST=1.90
REPO=$(cd "$(dirname "$0")" && pwd)
PREFIX=${PREFIX:-/usr/local}
BINDIR=${DESTDIR:-}$PREFIX/bin
TARGET=${CARGO_TARGET_DIR:-$REPO/target}
LAB=$TARGET/lab
# What the demo made, one file each, so that removing takes away that and nothing else.
MADE=$LAB/demo
CLUSTER=demo
MACHINE=demo-m1
NODES="demo-m1 demo-w1 demo-w2"
# Built here unless one is given.
BINARY=
SHA256=

usage() {
    cat <<EOF
Usage: ./install.sh [--demo | --demo-remove | --help] [--binary FILE [--sha256 SUM]]

  (nothing)      build rmachine with cargo and install it to \$PREFIX/bin (now $BINDIR)
  --demo         on Debian or Ubuntu, as root or with sudo: also install what is missing and create the swarm '$CLUSTER'
                 of three machines: containers with systemd, sshd and an engine of their own
  --demo-remove  remove all that --demo made and the packages that it installed, unless something uses them by now
  --binary FILE  install this binary of rmachine instead of building one; Rust is not needed then
  --sha256 SUM   refuse it unless this is its checksum

Environment: PREFIX (/usr/local), DESTDIR (put before PREFIX), CARGO_TARGET_DIR
Needs Rust $RUST or newer, from https://rustup.rs, or on Debian 13 and Ubuntu 24.04 from the package rustup:
  apt-get install rustup && rustup default stable
EOF
}

say() {
    echo "install.sh: $*" >&2
}

# die WHAT-FAILED WHAT-TO-DO
die() {
    say "$1; $2"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

engine() {
    if [ -w /var/run/docker.sock ]; then
        docker "$@"
    else
        as_root docker "$@"
    fi
}

require_rust() {
    # Where rustup puts it; a shell that was open at that time does not know yet.
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null ||
        die "cargo is missing" "get Rust $RUST or newer from https://rustup.rs (see ./install.sh --help) and run this again"
    version=$(cargo --version | cut -d ' ' -f 2) ||
        die "cargo does not run" "try: rustup default stable"
    oldest=$(printf '%s\n%s\n' "$RUST" "$version" | sort -V | head -n 1)
    [ "$oldest" = "$RUST" ] || die "cargo $version is too old, Rust $RUST is needed" "try: rustup update stable"
    command -v cc >/dev/null || die "a C compiler (cc) is missing" "try: apt-get install build-essential"
}

# Runs as root where the directory asks for it: `place FROM TO`, never leaving half a file at TO.
place() {
    run=
    mkdir -p "$BINDIR" 2>/dev/null || true
    [ -w "$BINDIR" ] || run=as_root
    $run mkdir -p "$BINDIR" || die "$BINDIR cannot be made" "choose another place: PREFIX=\$HOME/.local ./install.sh"
    temp=$($run mktemp "$BINDIR/.rmachine.XXXXXX") ||
        die "$BINDIR is not writable" "choose another place: PREFIX=\$HOME/.local ./install.sh"
    # Tried before it replaces one that works.
    if $run cp "$1" "$temp" && $run chmod 0755 "$temp" && version=$("$temp" version) && $run mv -f "$temp" "$2"; then
        return
    fi
    $run rm -f "$temp"
    die "rmachine could not be put in $BINDIR, or does not run there" "what was there before is as it was"
}

build() {
    require_rust
    say "building rmachine (some minutes the first time)"
    (cd "$REPO" && CARGO_TARGET_DIR=$TARGET cargo build --release --locked --bin rmachine) ||
        die "the build failed" "cargo's message is above"
    BINARY=$TARGET/release/rmachine
}

# What was given may be half downloaded, or somebody else's.
check_binary() {
    [ -f "$BINARY" ] || die "$BINARY is not there" "name a file with --binary, or leave that out to build one"
    [ -n "$SHA256" ] || return 0
    sum=$(sha256sum "$BINARY" | cut -d ' ' -f 1)
    [ "$sum" = "$SHA256" ] || die "$BINARY has the checksum $sum, and not $SHA256" "download it again; nothing was installed"
}

install_rmachine() {
    if [ -n "$BINARY" ]; then check_binary; else build; fi
    place "$BINARY" "$BINDIR/rmachine"
    say "$BINDIR/rmachine: $version"
    case ":$PATH:" in
        *":$BINDIR:"*) ;;
        *) say "$BINDIR is not in your PATH; try: PATH=\$PATH:$BINDIR" ;;
    esac
}

require_demo_platform() {
    # shellcheck source=/dev/null
    like=$(. /etc/os-release 2>/dev/null && echo " ${ID:-} ${ID_LIKE:-} ") || like=
    case $like in
        *" debian "* | *" ubuntu "*) ;;
        *) die "the demo needs Debian or Ubuntu" "./install.sh alone works anywhere with cargo" ;;
    esac
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "the demo needs root" "run it as root, or install sudo"
        sudo -v || die "sudo refused" "run the demo as root"
    fi
}

# The compiler, and what makes the root file system of a machine where no registry answers.
install_tools() {
    missing=
    [ -n "$BINARY" ] || command -v cc >/dev/null || missing=build-essential
    command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
    [ -n "$missing" ] || return 0
    say "installing: $missing"
    # shellcheck disable=SC2086  # names of packages
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
    } >"$MADE/apt.log" 2>&1 && return
    tail -n 5 "$MADE/apt.log" >&2
    die "the packages could not be installed" "see what apt says in $MADE/apt.log"
}

# The image of a machine is made by root where no registry answers, so root owns the demo's machine too.
choose_user() {
    SUDO=
    home=$HOME
    if [ "$(id -u)" -ne 0 ]; then
        SUDO="sudo -H "
        home=$(sudo -H sh -c 'echo "$HOME"')
    fi
    STORE=${MACHINE_STORAGE_PATH:-$home/.docker/machine}
}

rmachine() {
    # shellcheck disable=SC2086  # none or two words
    ${SUDO}env MACHINE_STORAGE_PATH="$STORE" "$BINDIR/rmachine" "$@"
}

start_engine() {
    if engine info >/dev/null 2>&1; then
        return
    fi
    "$REPO/tests/lab/engine" || die "no engine could be brought up on this machine" "its message is above"
    if [ ! -d /run/systemd/system ]; then
        : >"$MADE/engine"
    fi
}

packages() {
    dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | grep '^.i' | cut -d ' ' -f 3- | sort
}

# Told before and after what installs: only what was not there before is the demo's.
note_packages() {
    if [ ! -f "$MADE/packages.before" ]; then
        packages >"$MADE/packages.before"
    else
        packages | grep -vxFf "$MADE/packages.before" >"$MADE/packages" || true
    fi
}

has_machine() {
    rmachine ls -q 2>/dev/null | grep -qx "$1"
}

create_swarm() {
    if [ ! -f "$MADE/machine" ]; then
        for node in $NODES; do
            ! has_machine "$node" ||
                die "there is a machine '$node' that is not the demo's" "remove it, or use another store: MACHINE_STORAGE_PATH"
        done
        as_root test -e "$STORE" || : >"$MADE/store"
        [ -f "$MADE/images" ] || engine images -q rmachine-node >"$MADE/images"
        : >"$MADE/machine"
    fi
    # What an earlier run left unfinished is gone on with.
    rmachine swarm create -d docker --managers 1 --workers 2 --engine-opt metrics-addr=0.0.0.0:9323 --engine-label env=demo \
        "$CLUSTER" ||
        die "the swarm '$CLUSTER' could not be created" "remove what is there with ./install.sh --demo-remove, and run this again"
}

demo() {
    [ -z "$BINARY" ] || check_binary
    require_demo_platform
    mkdir -p "$MADE"
    note_packages
    install_tools
    [ -e "$BINDIR/rmachine" ] || : >"$MADE/binary"
    install_rmachine
    start_engine
    note_packages
    choose_user
    say "creating the swarm '$CLUSTER' of three machines (a minute more the first time)"
    create_swarm
    echo
    rmachine ls
    echo
    rmachine swarm status "$CLUSTER"
    cat <<EOF

A swarm is running. Look around:

  ${SUDO}rmachine ssh $MACHINE
  eval \$(${SUDO}rmachine env --shell sh $MACHINE) && ${SUDO:+sudo -E }docker info    # the docker client here, the engine there
  curl -s http://$(rmachine ip "$MACHINE"):9323/metrics | head    # what --engine-opt metrics-addr=... switched on
  ${SUDO}rmachine inspect $MACHINE
  ${SUDO}rmachine run $CLUSTER -- uptime    # on every node
  ${SUDO}rmachine top $CLUSTER

Remove it all: ./install.sh --demo-remove
EOF
}

remove_machines() {
    [ -f "$MADE/machine" ] || return 0
    there=
    for node in $NODES; do
        if [ -x "$BINDIR/rmachine" ] && has_machine "$node"; then there="$there $node"; fi
    done
    # shellcheck disable=SC2086  # names
    [ -z "$there" ] || rmachine rm -y $there ||
        die "these machines could not be removed:$there" "try: ${SUDO}rmachine rm -f$there"
    rm -f "$MADE/machine"
}

# Directories and certificates of a store that did not exist before, unless there are machines in it now.
remove_store() {
    [ -f "$MADE/store" ] || return 0
    if [ -z "$(as_root ls -A "$STORE/machines" 2>/dev/null)" ]; then
        as_root rm -rf "$STORE"
        as_root rmdir "$(dirname "$STORE")" 2>/dev/null || true
    else
        say "$STORE stays: there are machines in it"
    fi
}

# The node images that were not there before.
remove_images() {
    [ -f "$MADE/images" ] || return 0
    engine images -q rmachine-node 2>/dev/null | grep -vxFf "$MADE/images" | while read -r image; do
        engine rmi "$image" >/dev/null 2>&1 || say "the image $image stays: something uses it"
    done
}

remove_engine() {
    [ -f "$MADE/engine" ] || return 0
    if [ -n "$(engine ps -q 2>/dev/null)" ]; then
        say "the engine stays: other containers run on it; end it with tests/lab/engine --stop"
        return
    fi
    "$REPO/tests/lab/engine" --stop || die "the engine does not end" "its process id is in /run/docker.pid"
}

# Whether the engine holds anything beside what the demo made; one that does not answer may.
engine_is_used() {
    found=$(engine ps -aq && engine images -aq && engine volume ls -q && engine network ls -q --filter type=custom) 2>/dev/null ||
        return 0
    [ -n "$found" ]
}

# Packages are taken away together or not at all: one that something else needs by now keeps the others.
remove_packages() {
    [ -s "$MADE/packages" ] || return 0
    if grep -qx docker.io "$MADE/packages" && $ENGINE_IS_USED; then
        say "the engine and the other packages stay: somebody else may use it (docker ps -a, docker images, docker volume ls)"
        return
    fi
    names=$(tr '\n' ' ' <"$MADE/packages")
    # shellcheck disable=SC2086  # names of packages
    going=$(as_root apt-get -s purge $names 2>/dev/null | sed -n 's/^Purg \([^ ]*\).*/\1/p' | sort)
    if [ -z "$going" ] || echo "$going" | grep -qvxFf "$MADE/packages"; then
        say "these packages stay, since something else needs them: $names"
        return
    fi
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get purge -y $names >"$MADE/purge.log" 2>&1 </dev/null || {
        tail -n 5 "$MADE/purge.log" >&2
        die "the packages could not be removed" "try: apt-get purge $names"
    }
    if grep -qx docker.io "$MADE/packages"; then
        # What their packages leave. The folders may be disks of their own, so it is what is in them that goes.
        for dir in /var/lib/docker /var/lib/containerd /etc/docker /etc/cni; do
            as_root find "$dir" -xdev -mindepth 1 -delete 2>/dev/null || true
            as_root rmdir "$dir" 2>/dev/null || true
        done
        as_root ip link delete docker0 2>/dev/null || true
    fi
}

demo_remove() {
    [ -d "$MADE" ] || { say "there is no demo here"; return; }
    choose_user
    remove_machines
    remove_store
    remove_images
    # Asked while it runs.
    ENGINE_IS_USED=false
    ! engine_is_used || ENGINE_IS_USED=true
    remove_engine
    remove_packages
    if [ -f "$MADE/binary" ]; then
        run=
        [ -w "$BINDIR" ] || run=as_root
        $run rm -f "$BINDIR/rmachine" || die "$BINDIR/rmachine could not be removed" "remove it by hand"
        say "rmachine is gone from $BINDIR; to have it back: ./install.sh"
    fi
    rm -rf "$MADE"
    # The lab's key and logs, unless other hosts were made with them.
    if [ -f "$LAB/dockerd.pid" ] || [ -n "$(engine ps -aq --filter "label=rmachine.lab.state=$LAB" 2>/dev/null)" ]; then
        say "$LAB stays: the lab is in use"
    else
        rm -rf "$LAB"
    fi
    rmdir "$TARGET" 2>/dev/null || true
    built=
    [ ! -d "$TARGET" ] || built="; what cargo built is in $TARGET"
    say "the demo is gone$built"
}

task=install_rmachine
while [ $# -gt 0 ]; do
    case $1 in
        --demo) task=demo ;;
        --demo-remove) task=demo_remove ;;
        --help | -h) usage && exit ;;
        --binary | --sha256)
            [ -n "${2:-}" ] || { usage >&2; exit 2; }
            if [ "$1" = --binary ]; then BINARY=$2; else SHA256=$2; fi
            shift
            ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
[ -z "$SHA256" ] || [ -n "$BINARY" ] || { usage >&2; exit 2; }
$task
