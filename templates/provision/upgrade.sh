# Brings the engine of a host to another version, by the way it came there, and sees that it runs afterwards.
{% include "prelude.sh" %}
{% include "packages/common.sh" %}
{% include "packages/" ~ packages ~ "/functions.sh" %}
{% include "packages/" ~ packages ~ "/upgrade.sh" %}
{% include "service/" ~ service ~ "/engine.sh" %}
{% include "engine.sh" %}
version={{ version }}

main() {
    begin
    set_up_packages
    package=$(owner)
    if [ -n "$package" ]; then by_package; else by_script {{ url }}; fi
    say 'done'
}

by_package() {
    refresh
    was=$(installed "$package")
    if [ -n "$version" ]; then
        [ -n "$(offered "$package")" ] || packages_failed "$package"
        target=$(matching "$package") || fail version "$(offered "$package" | paste -sd ' ')"
    else
        target=$(newest "$package")
    fi
    if [ "$was" = "$target" ]; then
        if [ -n "$version" ]; then why="what was asked for"; else why="the newest that is offered"; fi
        say info "$package $was is $why: nothing is changed"
        return
    fi
    if is_older "$target" "$was"; then
        fail upgrade "$package $was is newer than $target: an engine does not go back to an older version by itself"
    fi
    say info "$package $was -> $target"
    # shellcheck disable=SC2046  # words without blanks
    set -- $(engine_packages "$package" "$target")
    # What cannot be had is found out while everything still runs.
    download_packages "$@" || packages_failed "$*"
    say step 'Upgrading docker...'
    since=$(date +%s)
    if ! install_packages "$@"; then
        start_engine || say log "the engine is down: $says"
        packages_failed "$*"
    fi
    say step 'Restarting docker...'
    leave_the_old_one
    start_engine && return
    engine_words
    say step "Going back to $package $was..."
    if downgrade "$package" "$was" && start_engine; then
        fail upgrade "the engine of $package $target does not come up here; $was is back and runs"
    fi
    fail upgrade "the engine of $package $target does not come up; on the host: $(downgrade_command "$package" "$was")"
}

by_script() {
    program=$(command -v dockerd)
    was=$(dockerd --version 2>/dev/null)
    # The way back: a script does not bring one.
    says=$(cp -p "$program" "$program.rmachine-old" 2>&1) || fail_writing "$(dirname "$program")" "$says"
    say step 'Upgrading docker...'
    since=$(date +%s)
    install_by_script "$1" || exit
    hash -r
    if [ "$(dockerd --version 2>/dev/null)" = "$was" ] && is_running; then
        rm -f "$program.rmachine-old"
        say info "The script brought the same engine again: nothing is changed"
        return
    fi
    say step 'Restarting docker...'
    reload_definitions
    if restart_service {{ engine_seconds }} >/dev/null 2>&1 && start_engine; then
        rm -f "$program.rmachine-old"
        return
    fi
    engine_words
    mv -f "$program.rmachine-old" "$program"
    if start_engine; then fail upgrade "the new engine does not come up here; the one before is back and runs"; fi
    fail upgrade "neither the new engine comes up nor the one before, which is back in its place"
}

# A package need not restart the engine whose program it has replaced.
leave_the_old_one() {
    reload_definitions
    pid=$(service_pid)
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
        *' (deleted)') restart_service {{ engine_seconds }} >/dev/null 2>&1 ;;
    esac
}

start_engine() {
    says=$(start_service {{ engine_seconds }} 2>&1) || return
    await_answer {{ engine_seconds }}
}

engine_words() {
    service_output "$since" | awk '!seen[$0]++' | tail -n 10 | while IFS= read -r line; do say log "$line"; done
}

main </dev/null
