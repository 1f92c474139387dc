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
HOST=rmachine-demo
MACHINE=demo
STORE=${MACHINE_STORAGE_PATH:-$HOME/.docker/machine}

usage() {
    cat <<EOF
Usage: ./install.sh [--demo | --demo-remove | --help]

  (nothing)      build rmachine with cargo and install it to \$PREFIX/bin (now $BINDIR)
  --demo         on Debian or Ubuntu, as root or with sudo: also install what is missing, bring up a host
                 (a container with systemd and an engine of its own) and create the machine '$MACHINE' on it
  --demo-remove  remove all that --demo made; packages it installed stay

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

install_rmachine() {
    require_rust
    say "building rmachine (some minutes the first time)"
    (cd "$REPO" && CARGO_TARGET_DIR=$TARGET cargo build --release --locked --bin rmachine) ||
        die "the build failed" "cargo's message is above"
    place "$TARGET/release/rmachine" "$BINDIR/rmachine"
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

install_build_tools() {
    command -v cc >/dev/null && return
    say "installing build-essential"
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential
    } >"$MADE/apt.log" 2>&1 && return
    tail -n 5 "$MADE/apt.log" >&2
    die "build-essential could not be installed" "see what apt says in $MADE/apt.log"
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

# Made by an earlier demo on the host that is still there: only then can it be used again.
machine_is_current() {
    [ -f "$MADE/machine" ] && $1 && [ "$("$BINDIR/rmachine" ip "$MACHINE" 2>/dev/null)" = "$2" ]
}

create_machine() {
    if machine_is_current "$1" "$2"; then
        "$BINDIR/rmachine" provision "$MACHINE" ||
            die "machine '$MACHINE' could not be provisioned" "start afresh with: ./install.sh --demo-remove"
        return
    fi
    remove_machine
    if "$BINDIR/rmachine" ls -q 2>/dev/null | grep -qx "$MACHINE"; then
        die "there is a machine '$MACHINE' that is not the demo's" "remove it, or use another store: MACHINE_STORAGE_PATH"
    fi
    [ -e "$STORE" ] || : >"$MADE/store"
    : >"$MADE/machine"
    "$BINDIR/rmachine" create -d generic --generic-ip-address "$2" --generic-ssh-user debian \
        --generic-ssh-key "$LAB/id_ed25519" --engine-opt metrics-addr=0.0.0.0:9323 --engine-label env=demo "$MACHINE" ||
        die "machine '$MACHINE' could not be created" "run this again, or remove what is there: ./install.sh --demo-remove"
}

demo() {
    require_demo_platform
    mkdir -p "$MADE"
    install_build_tools
    [ -e "$BINDIR/rmachine" ] || : >"$MADE/binary"
    install_rmachine
    start_engine
    existed=false
    engine inspect --type container "$HOST" >/dev/null 2>&1 && existed=true
    say "bringing up the host $HOST (a minute the first time)"
    line=$("$REPO/tests/lab/up" --name "$HOST" --engine) ||
        die "the host $HOST did not come up" "run this again, or remove what is there: ./install.sh --demo-remove"
    ip=${line#* }
    create_machine "$existed" "$ip"
    echo
    "$BINDIR/rmachine" ls
    cat <<EOF

A machine is running. Look around:

  rmachine ssh $MACHINE
  eval \$(rmachine env $MACHINE) && docker info    # the docker client here, the engine there
  curl -s http://$ip:9323/metrics | head    # what --engine-opt metrics-addr=... switched on
  rmachine inspect $MACHINE

Remove it all: ./install.sh --demo-remove
EOF
}

remove_machine() {
    [ -f "$MADE/machine" ] || return 0
    if [ -x "$BINDIR/rmachine" ] && "$BINDIR/rmachine" ls -q | grep -qx "$MACHINE"; then
        "$BINDIR/rmachine" rm -y -f "$MACHINE" || die "machine '$MACHINE' could not be removed" "try: rmachine rm -f $MACHINE"
    fi
    rm -f "$MADE/machine"
}

# Directories and certificates of a store that did not exist before, unless there are machines in it now.
remove_store() {
    [ -f "$MADE/store" ] || return 0
    if [ -z "$(ls -A "$STORE/machines" 2>/dev/null)" ]; then
        rm -rf "$STORE"
        rmdir "$(dirname "$STORE")" 2>/dev/null || true
    else
        say "$STORE stays: there are machines in it"
    fi
}

remove_host() {
    engine info >/dev/null 2>&1 || return 0
    "$REPO/tests/lab/down" "$HOST" || die "the host $HOST could not be removed" "try: docker rm -fv $HOST"
    engine rmi rmachine-lab:trixie-engine >/dev/null 2>&1 || true
}

remove_engine() {
    [ -f "$MADE/engine" ] || return 0
    if [ -n "$(engine ps -q 2>/dev/null)" ]; then
        say "the engine stays: other containers run on it; end it with tests/lab/engine --stop"
        return
    fi
    "$REPO/tests/lab/engine" --stop || die "the engine does not end" "its process id is in /run/docker.pid"
}

demo_remove() {
    [ -d "$MADE" ] || { say "there is no demo here"; return; }
    remove_machine
    remove_store
    remove_host
    remove_engine
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
    say "the demo is gone; packages that it installed (engine, compiler, mmdebstrap) stay, and so does $TARGET"
}

[ $# -le 1 ] || { usage >&2; exit 2; }
case ${1:-} in
    "") install_rmachine ;;
    --demo) demo ;;
    --demo-remove) demo_remove ;;
    --help | -h) usage ;;
    *) usage >&2; exit 2 ;;
esac
