# shellcheck shell=sh
# The first boot of a machine whose image was another machine once: who could log in there, its engine's certificates and
# settings, its place in a swarm and its ids do not live on here. cloud-init runs it once in a machine's life, before it
# makes users and keys and before any service starts. An image that was no machine is left alone.
set -u
drop_in=/etc/systemd/system/docker.service.d/10-machine.conf
[ -e "$drop_in" ] || exit 0
data=$(sed -n 's/.*"data-root": *"\([^"]*\)".*/\1/p' /etc/docker/daemon.json 2>/dev/null | head -n 1)
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
cd /etc/docker && rm -rf daemon.json ca.pem server.pem server-key.pem key.json .rmachine-new .rmachine-pending
rm -rf "${data:-/var/lib/docker}/swarm" "${data:-/var/lib/docker}/engine-id"
rm -f /etc/ssh/ssh_host_* /etc/ssh/rmachine_new_host_key*
rm -f /etc/machine-id /var/lib/dbus/machine-id
systemd-machine-id-setup
# Last: its presence says that there is something to do.
rm -f "$drop_in"
systemctl daemon-reload
