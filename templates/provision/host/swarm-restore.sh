# Puts a manager's state, a packed archive at standard input, in the place of what is there; $1 is the engine's folder.
# What was there comes back when the engine does not start with it.
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=$1 new=$1/.rmachine-restore.new old=$1/.rmachine-restore.old
{% set part = "pause.sh" %}{% include "service/detected.sh" %}
umask 077
rm -rf "$new"
mkdir "$new"
trap 'rm -rf "$new"' EXIT
trap 'exit 143' HUP TERM INT
if ! tar -C "$new" -x -z || [ ! -d "$new/swarm/raft" ] || [ ! -d "$new/swarm/certificates" ]; then
    echo 'that is no backup of a manager: nothing was changed' >&2
    exit 3
fi
pause_engine
rm -rf "$old"
if [ -e "$root/swarm" ]; then mv "$root/swarm" "$old"; fi
mv "$new/swarm" "$root/swarm"
if resume_engine; then
    rm -rf "$old"
    exit 0
fi
print_engine_log 5 >&2
rm -rf "$root/swarm"
if [ -e "$old" ]; then mv "$old" "$root/swarm"; fi
start_engine_anyway
echo 'the engine does not start with that state: what was there before is back' >&2
exit 4
