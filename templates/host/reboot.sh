# shellcheck shell=sh
# Reboots the host, in a second: whoever asked is to hear that it was understood.
if [ "$(id -u)" = 0 ]; then set --; else set -- sudo -n; fi
"$@" systemd-run --on-active=1 systemctl reboot </dev/null || "$@" shutdown -r now </dev/null
