# Writes a manager's state to standard output, as a packed archive; $1 is the engine's folder. The engine is stopped
# while the state is copied, since no copy of a running one can be relied on, and started again whatever happens.
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=$1
[ -d "$root/swarm/raft" ] || {
    echo "there is no state of a manager in $root/swarm" >&2
    exit 3
}
umask 077
{% set part = "pause.sh" %}{% include "service/detected.sh" %}
stopped=
copy=$(mktemp -d "$root/.rmachine-backup.XXXXXX")
finish() {
    [ -z "$stopped" ] || up
    rm -rf "$copy"
}
up() {
    resume_engine
    stopped=
}
trap finish EXIT
trap 'exit 143' HUP TERM INT
stopped=yes
pause_engine
# The logs are mostly holes.
cp -a --sparse=always "$root/swarm" "$copy/swarm"
up >&2
tar -C "$copy" -S -c -z swarm
