# What the scripts that change a host share. Lines that begin with `@rmachine ` are for src/provision/progress.rs:
# step, info, warn, log, error CODE DETAIL, done. All others are the words of commands, shown in passing.
begin() {
    # The connection may go away; what was begun is ended all the same. A handler and not '', which children inherit.
    trap : PIPE HUP
    trap 'exit 143' TERM INT
    umask 077
    export LC_ALL=C
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    exec 9>/run/rmachine-provision.lock || fail failed "/run/rmachine-provision.lock cannot be opened"
    if ! flock -n 9; then
        say step 'Waiting for another provisioning of this host...'
        flock -w {{ lock_seconds }} 9 || fail busy {{ lock_seconds }}
    fi
    # Not before: what it removes is another's until here. What is there now was left by one that was killed.
    trap clean_up EXIT
    rm -rf /run/rmachine.*
    # In memory: it works on a full disk, and is gone after a crash. Not /run/lock, where anybody may write.
    work=$(mktemp -d /run/rmachine.XXXXXX) || fail failed "no temporary folder can be made in /run"
}

clean_up() {
    rm -rf "${work:-/run/rmachine.none}" "${new:-/run/rmachine.none}"
}

say() {
    printf '@rmachine %s\n' "$*" 2>/dev/null || :
}

# fail CODE DETAIL
fail() {
    say error "$1" "$(printf '%s' "$2" | tr '\n' ' ')"
    exit 1
}

# fail_writing PATH WORDS: what a command said when it could not write.
fail_writing() {
    case $2 in
        *'No space left on device'* | *'Disk quota exceeded'*) fail disk-full "$(df -P "$1" | awk 'NR == 2 { print $6 }')" ;;
        *) fail failed "cannot write $1: $2" ;;
    esac
}
