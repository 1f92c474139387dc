# shellcheck shell=sh
# Puts a manager's state, a packed archive at standard input, in the place of what is there; $1 is the engine's folder.
# What was there comes back when the engine does not start with it.
set -eu
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=$1 new=$1/.rmachine-restore.new old=$1/.rmachine-restore.old
umask 077
rm -rf "$new"
mkdir "$new"
trap 'rm -rf "$new"' EXIT
trap 'exit 143' HUP TERM INT
if ! tar -C "$new" -x -z || [ ! -d "$new/swarm/raft" ] || [ ! -d "$new/swarm/certificates" ]; then
    echo 'that is no backup of a manager: nothing was changed' >&2
    exit 3
fi
socket=$(systemctl is-active docker.socket || :)
systemctl stop docker.socket docker.service 2>/dev/null || systemctl stop docker.service
rm -rf "$old"
if [ -e "$root/swarm" ]; then mv "$root/swarm" "$old"; fi
mv "$new/swarm" "$root/swarm"
[ "$socket" != active ] || systemctl start docker.socket
if systemctl start docker.service; then
    rm -rf "$old"
    exit 0
fi
journalctl -u docker.service -n 5 --no-pager -o cat >&2 || :
rm -rf "$root/swarm"
if [ -e "$old" ]; then mv "$old" "$root/swarm"; fi
systemctl reset-failed docker.service || :
systemctl start docker.service || :
echo 'the engine does not start with that state: what was there before is back' >&2
exit 4
