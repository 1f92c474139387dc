# What installs and upgrades share, whatever the package manager is. Its own part defines the functions that are called here.
set_up_packages() {
    give_up=$(($(date +%s) + {{ packages_seconds }}))
    configure_package_manager
}

install_by_script() {
    command -v curl >/dev/null || command -v wget >/dev/null || {
        refresh
        install_packages curl ca-certificates || packages_failed curl
    }
    download "$1"
    interpreter=$(sed -n '1s/^#![[:blank:]]*//p' "$work/installer")
    [ -z "$version" ] || export VERSION="$version"
    # shellcheck disable=SC2086  # `/usr/bin/env bash` is two words
    patiently $interpreter "$work/installer" && return
    blame installer "$1"
}

download() {
    if command -v curl >/dev/null; then
        shown curl -fsSL --connect-timeout 20 --max-time 300 --retry 2 -o "$work/installer" -- "$1"
        code=$?
        case $code in
            0) ;;
            5 | 6 | 7 | 28 | 35 | 52 | 55 | 56) fail network "$1: $(last_words)" ;;
            *) fail download "$1: $(last_words)" ;;
        esac
    else
        shown wget -nv --timeout=20 --tries=2 -O "$work/installer" -- "$1"
        code=$?
        case $code in
            0) ;;
            4) fail network "$1: $(last_words)" ;;
            *) fail download "$1: $(last_words)" ;;
        esac
    fi
    [ -s "$work/installer" ] || fail download "$1: the answer is empty"
    [ "$(head -c 2 "$work/installer")" = '#!' ] || fail download "$1: the answer is not a script"
}

# The newest offered one that is, or begins with, the wanted version: 26.1 is 26.1.5+dfsg1-9 and not 26.10.
matching() {
    [ -n "$version" ] || return
    offered "$1" | WANTED=$version awk '
        { upstream = $0; sub(/^[0-9]+:/, "", upstream) }
        $0 == ENVIRON["WANTED"] { print; found = 1; exit }
        index(upstream, ENVIRON["WANTED"]) == 1 && substr(upstream, length(ENVIRON["WANTED"]) + 1, 1) !~ /[0-9]/ { print; found = 1; exit }
        END { exit !found }'
}

# Finds what a failure is really about in what the command said.
blame() {
    if said "$no_space"; then
        fail disk-full "$(fullest_disk)"
    elif said "$busy"; then
        fail packages-busy "$(holder)"
    elif said "$unreachable"; then
        fail network "$(grep -E 'Err|Failed|resolv|onnect' "$work/said" | grep -oE 'https?://[^/ ]+' | head -n 1)"
    fi
    fail "$1" "$2"
}

# Where the least is free of the folders that an installation writes to.
fullest_disk() {
    # shellcheck disable=SC2086  # several folders
    df -Pk / /usr /var $package_folders /var/lib/docker 2>/dev/null | sort -nk 4 | awk '$4 ~ /^[0-9]+$/ { print $6; exit }'
}

said() {
    grep -Eq "$1" "$work/said"
}

last_words() {
    grep . "$work/said" | tail -n 1
}

# Runs a command, shows what it says and keeps it. tee outlives a lost connection, so the command does.
shown() {
    { "$@" </dev/null 2>&1 9>&-; echo $? >"$work/code"; } | (trap '' PIPE; exec tee "$work/said" 2>/dev/null)
    return "$(cat "$work/code")"
}

# Runs what installs packages once nobody else does, and again when somebody was quicker.
patiently() {
    while :; do
        wait_for_others
        shown "$@" && return
        code=$?
        if is_interrupted && [ -z "${repaired:-}" ]; then
            repaired=yes
            say info 'Finishing an interrupted installation of packages...'
            finish_interrupted
        elif said "$busy" && [ "$(date +%s)" -lt "$give_up" ]; then
            sleep 1
        else
            return $code
        fi
    done
}

wait_for_others() {
    waiting=
    while by=$(holder) && [ -n "$by" ]; do
        [ "$(date +%s)" -lt "$give_up" ] || fail packages-busy "$by"
        [ -n "$waiting" ] || say step "Waiting for $by, which is installing packages..."
        waiting=yes
        sleep 1
    done
}
