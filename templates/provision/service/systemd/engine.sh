# The engine as a service of systemd.
has_service() {
    systemctl cat docker.service >/dev/null 2>&1
}

enable_service() {
    systemctl enable --quiet docker.service
}

# Has systemd read units that changed.
reload_definitions() {
    systemctl daemon-reload
}

is_running() {
    systemctl is-active --quiet docker.service
}

# start_service SECONDS
start_service() {
    # A unit that failed a few times is otherwise not started again for a minute.
    systemctl reset-failed docker.service docker.socket 2>/dev/null
    timeout "$1" systemctl start docker.service
}

# restart_service SECONDS
restart_service() {
    timeout "$1" systemctl stop docker.service || return
    # An engine that listened by itself (docker-machine's do) has put its socket in the place of systemd's, and took it
    # along; systemd would pass on one that nobody can reach.
    [ -S /run/docker.sock ] || ! systemctl is-active --quiet docker.socket || systemctl restart docker.socket
    start_service "$1"
}

service_pid() {
    systemctl show -p MainPID --value docker.service
}

# service_output SECONDS_SINCE_1970: the unit's own lines alone, not systemd's about it.
service_output() {
    journalctl _SYSTEMD_UNIT=docker.service --since "@$1" -o cat --no-pager 2>/dev/null | sed 's/^time="[^"]*" //'
}
