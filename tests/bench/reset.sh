# shellcheck shell=sh
# Makes a host of the lab again what it was before anybody provisioned it: an engine that was never configured, running.
# Sent to `sh -s -- NAME` inside the host.
set -eu
systemctl stop docker.socket docker.service
rm -rf /etc/docker /etc/systemd/system/docker.service.d
hostname "$1"
echo "$1" >/etc/hostname
# Mounted by itself, so it cannot be replaced.
hosts=$(grep -v '^127\.0\.1\.1[[:blank:]]' /etc/hosts)
printf '%s\n' "$hosts" >/etc/hosts
systemctl daemon-reload
# A unit that was started a few times is otherwise not started again for a minute.
systemctl reset-failed docker.service docker.socket 2>/dev/null || :
systemctl start docker.socket docker.service
journalctl --sync
