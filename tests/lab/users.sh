#!/bin/sh
# The accounts of a lab host, made inside its image: every kind of login that provisioning has to tell apart.
set -eu

for user in debian plain nosudo; do
    useradd --create-home --shell /bin/bash "$user"
done
# Key logins need no password; sudo as `plain` asks for one.
echo 'plain:plain' | chpasswd
echo 'debian ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/debian
echo 'plain ALL=(ALL) ALL' >/etc/sudoers.d/plain
chmod 0440 /etc/sudoers.d/debian /etc/sudoers.d/plain
