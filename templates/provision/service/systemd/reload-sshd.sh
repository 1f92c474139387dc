"$@" systemctl reload ssh </dev/null >&2 || "$@" systemctl reload sshd </dev/null >&2
