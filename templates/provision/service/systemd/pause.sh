# Stops the engine, and the socket that would start it again, for as long as its files are copied.
pause_engine() {
    socket=$(systemctl is-active docker.socket || :)
    systemctl stop docker.socket docker.service 2>/dev/null || systemctl stop docker.service
}

resume_engine() {
    [ "${socket:-}" != active ] || systemctl start docker.socket || return
    systemctl start docker.service
}

start_engine_anyway() {
    systemctl reset-failed docker.service || :
    systemctl start docker.service || :
}

print_engine_log() {
    journalctl -u docker.service -n "$1" --no-pager -o cat || :
}
