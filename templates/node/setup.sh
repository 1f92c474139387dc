#!/bin/sh
# Turns an installed Debian root into a node's: runs as root inside that root (chroot or container build),
# after the packages are there and with `init` beside the other files of the root at /usr/local/sbin/node-init.
set -eu

chmod 0755 /usr/local/sbin/node-init
systemctl --quiet enable ssh.service

# Keys only, and nothing secret in an image that many nodes share.
mkdir -p /etc/ssh/sshd_config.d
cat >/etc/ssh/sshd_config.d/10-node.conf <<'EOF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
# A reverse lookup of the client would hold up the login where no name server answers.
UseDNS no
EOF
rm -f /etc/ssh/ssh_host_*
passwd --lock root >/dev/null

# Empty, not absent: an id is made at boot, without the preset run of a first boot.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
: >/etc/hostname

# No terminal is attached, and the apt timers would take the package lock at a moment of their own.
systemctl --quiet mask console-getty.service getty@.service apt-daily.timer apt-daily-upgrade.timer

# What a container cannot use: file systems of the kernel's, its modules, hardware, sessions that no PAM module opens. They
# are a quarter of the work of a boot, and machines boot several at once. Settings of the kernel are the computer's, and not
# for a machine to change.
systemctl --quiet mask dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
    modprobe@.service systemd-modules-load.service systemd-logind.service systemd-remount-fs.service \
    systemd-tmpfiles-setup-dev-early.service systemd-tmpfiles-setup-dev.service systemd-sysctl.service
mkdir -p /etc/systemd/system-generators
for name in debug getty gpt-auto hibernate-resume run ssh system-update tpm2; do
    ln -sf /dev/null "/etc/systemd/system-generators/systemd-$name-generator"
done

# There is no module to load, and sshd reads its configuration when it starts anyway.
for unit in containerd ssh; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    printf '[Service]\nExecStartPre=\n' >"/etc/systemd/system/$unit.service.d/node.conf"
done

# Everything is as installed: spares each first boot the rebuild of caches.
touch /etc/.updated /var/.updated
