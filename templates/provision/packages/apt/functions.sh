# apt: how packages are listed and installed, and what apt's words mean.
configure_package_manager() {
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

# Lists that could not be refreshed may still do.
refresh() {
    patiently apt-get update -q
    refreshed=$?
    cp "$work/said" "$work/said-by-update"
}

install_packages() {
    patiently apt-get install -y -q --no-install-recommends "$@"
}

offered() {
    apt-cache madison "$1" | awk -F ' *[|] *' '!seen[$2]++ { print $2 }'
}

packages_failed() {
    if [ "$refreshed" -ne 0 ] || grep -q 'Failed to fetch' "$work/said-by-update"; then
        cat "$work/said-by-update" >>"$work/said"
    fi
    blame packages "$1"
}

no_space='No space left on device|enough free space'
busy='Could not get lock|Unable to lock|Unable to acquire the dpkg frontend lock|is another process using it'
unreachable='Could not resolve|Temporary failure|[Cc]ould not connect|[Uu]nable to connect|Connection (failed|timed out|refused)|Network is unreachable'
package_folders='/var/lib/apt /var/lib/dpkg /var/cache/apt /var/cache/apt/archives'

is_interrupted() {
    said 'dpkg was interrupted'
}

finish_interrupted() {
    shown dpkg --configure -a
}

# Who holds one of apt's locks. They are of the POSIX kind, of which only the kernel's list tells.
holder() {
    for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
        inode=$(stat -c %i "$file" 2>/dev/null) || continue
        pid=$(awk -v inode="$inode" '$2 == "POSIX" && $6 ~ ":" inode "$" { print $5; exit }' /proc/locks)
        [ -z "$pid" ] || { echo "$(cat "/proc/$pid/comm" 2>/dev/null || echo somebody) (process $pid)"; return; }
    done
}
