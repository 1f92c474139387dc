# The name of the service manager that runs; of one without a mark of its own, the name of the first process.
service_manager() {
    if [ -d /run/systemd/system ]; then echo systemd
    elif [ -d /run/openrc ]; then echo openrc
    else cat /proc/1/comm 2>/dev/null || echo unknown
    fi
}
