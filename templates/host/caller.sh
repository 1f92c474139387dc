# shellcheck shell=sh
# Prints the address from which this host sees the one who runs it here.
set -eu
from=${SSH_CONNECTION:-${SSH_CLIENT:-}}
[ -n "$from" ] || { echo 'sshd does not say from where the connection comes' >&2; exit 1; }
echo "${from%% *}"
