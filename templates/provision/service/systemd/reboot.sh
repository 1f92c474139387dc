"$@" systemd-run --on-active=1 systemctl reboot </dev/null
