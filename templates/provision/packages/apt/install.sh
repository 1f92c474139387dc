# The engine from the distribution.
install_engine() {
    command -v apt-get >/dev/null || fail packages 'there is no apt-get'
    refresh
    pin=
    if [ -n "$version" ]; then
        [ -n "$(offered docker.io)" ] || packages_failed docker.io
        pin=$(matching docker.io) || fail version "$(offered docker.io | paste -sd ' ')"
    fi
    set -- "docker.io${pin:+=$pin}" ca-certificates
    # A package of its own from Debian 13 on.
    if apt-cache policy docker-cli 2>/dev/null | grep -q 'Candidate: [0-9]'; then
        pin=$(matching docker-cli) || pin=
        set -- "$@" "docker-cli${pin:+=$pin}"
    fi
    # Without its parser no container starts where the kernel enforces it.
    if grep -qs Y /sys/module/apparmor/parameters/enabled; then set -- "$@" apparmor; fi
    install_packages "$@" || packages_failed "$*"
}
