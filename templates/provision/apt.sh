# What scripts that install share: apt, patiently, and what its failures are about.
set_up_apt() {
    give_up=$(($(date +%s) + {{ apt_seconds }}))
    cat >"$work/apt.conf" <<'CONF'
DPkg::Lock::Timeout "60";
Dpkg::Use-Pty "0";
Dpkg::Options { "--force-confdef"; "--force-confold"; };
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
CONF
    # Through the environment, so that an installer's own apt-get has it too.
    export APT_CONFIG="$work/apt.conf" DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
}

install_by_script() {
    command -v curl >/dev/null || command -v wget >/dev/null || {
        refresh
        patiently apt-get install -y -q --no-install-recommends curl ca-certificates || packages_failed curl
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

# Lists that could not be refreshed may still do.
refresh() {
    patiently apt-get update -q
    refreshed=$?
    cp "$work/said" "$work/said-by-update"
}

offered() {
    apt-cache madison "$1" | awk -F ' *[|] *' '!seen[$2]++ { print $2 }'
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

packages_failed() {
    if [ "$refreshed" -ne 0 ] || grep -q 'Failed to fetch' "$work/said-by-update"; then
        cat "$work/said-by-update" >>"$work/said"
    fi
    blame packages "$1"
}

# Finds what a failure is really about in what the command said.
blame() {
    if said 'No space left on device|enough free space'; then
        fail disk-full "$(df -Pk / /usr /var /var/lib/apt /var/lib/dpkg /var/cache/apt /var/cache/apt/archives /var/lib/docker 2>/dev/null | sort -nk 4 | awk '$4 ~ /^[0-9]+$/ { print $6; exit }')"
    elif said "$busy"; then
        fail apt-busy "$(holder)"
    elif said 'Could not resolve|Temporary failure|[Cc]ould not connect|[Uu]nable to connect|Connection (failed|timed out|refused)|Network is unreachable'; then
        fail network "$(grep -E 'Err|Failed|resolv|onnect' "$work/said" | grep -oE 'https?://[^/ ]+' | head -n 1)"
    fi
    fail "$1" "$2"
}

busy='Could not get lock|Unable to lock|Unable to acquire the dpkg frontend lock|is another process using it'

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

# Runs what uses apt once nobody else does, and again when somebody was quicker.
patiently() {
    while :; do
        wait_for_apt
        shown "$@" && return
        code=$?
        if said 'dpkg was interrupted' && [ -z "${repaired:-}" ]; then
            repaired=yes
            say info 'Finishing an interrupted installation of packages...'
            shown dpkg --configure -a
        elif said "$busy" && [ "$(date +%s)" -lt "$give_up" ]; then
            sleep 1
        else
            return $code
        fi
    done
}

wait_for_apt() {
    waiting=
    while by=$(holder) && [ -n "$by" ]; do
        [ "$(date +%s)" -lt "$give_up" ] || fail apt-busy "$by"
        [ -n "$waiting" ] || say step "Waiting for $by, which is installing packages..."
        waiting=yes
        sleep 1
    done
}

# Who holds one of apt's locks. They are of the POSIX kind, of which only the kernel's list tells.
holder() {
    for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
        inode=$(stat -c %i "$file" 2>/dev/null) || continue
        pid=$(awk -v inode="$inode" '$2 == "POSIX" && $6 ~ ":" inode "$" { print $5; exit }' /proc/locks)
        [ -z "$pid" ] || { echo "$(cat "/proc/$pid/comm" 2>/dev/null || echo somebody) (process $pid)"; return; }
    done
}
