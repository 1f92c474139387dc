# The package that brought the engine; none where a script unpacked it.
owner() {
    command -v dpkg >/dev/null || return
    real=$(readlink -f "$(command -v dockerd)")
    for path in "$(command -v dockerd)" "$real" "/usr$real"; do
        found=$(dpkg -S "$path" 2>/dev/null | grep -v '^diversion' | head -n 1) || continue
        [ -n "$found" ] && { echo "${found%%:*}"; return; }
    done
}

installed() {
    dpkg-query -W -f '${db:Status-Abbrev} ${Version}' "$1" 2>/dev/null | sed -n 's/^ii *//p'
}

newest() {
    apt-cache policy "$1" | awk '$1 == "Candidate:" { print $2 }'
}

is_older() {
    dpkg --compare-versions "$1" lt "$2"
}

# engine_packages PACKAGE VERSION: the engine's package and those that change with it, as words for install_packages.
engine_packages() {
    echo "$1=$2"
    for other in docker-ce-cli docker-ce-rootless-extras; do
        if [ -n "$(installed $other)" ] && pin=$(offered $other | grep -Fx "$2"); then echo "$other=$pin"; fi
    done
    # A package of its own from Debian 13 on: the engine's may be about to lose it.
    if [ "$1" = docker.io ] && command -v docker >/dev/null && [ -n "$(offered docker-cli)" ]; then
        echo docker-cli
    fi
}

download_packages() {
    install_packages --download-only "$@"
}

# downgrade PACKAGE VERSION
downgrade() {
    install_packages --allow-downgrades "$1=$2"
}

# The same for a person, as an error shows it.
downgrade_command() {
    echo "apt-get install --allow-downgrades $1=$2"
}
