# Brings the engine of a host to another version, by the way it came there, and sees that it runs afterwards.
{% include "prelude.sh" %}
{% include "engine.sh" %}
{% include "apt.sh" %}
version={{ version }}

main() {
    begin
    set_up_apt
    package=$(owner)
    if [ -n "$package" ]; then by_package; else by_script {{ url }}; fi
    say 'done'
}

# The package that brought the engine; none where a script unpacked it.
owner() {
    command -v dpkg >/dev/null || return
    real=$(readlink -f "$(command -v dockerd)")
    for path in "$(command -v dockerd)" "$real" "/usr$real"; do
        found=$(dpkg -S "$path" 2>/dev/null | grep -v '^diversion' | head -n 1) || continue
        [ -n "$found" ] && { echo "${found%%:*}"; return; }
    done
}

by_package() {
    refresh
    was=$(installed "$package")
    if [ -n "$version" ]; then
        [ -n "$(offered "$package")" ] || packages_failed "$package"
        target=$(matching "$package") || fail version "$(offered "$package" | paste -sd ' ')"
    else
        target=$(apt-cache policy "$package" | awk '$1 == "Candidate:" { print $2 }')
    fi
    if [ "$was" = "$target" ]; then
        if [ -n "$version" ]; then why="what was asked for"; else why="the newest that is offered"; fi
        say info "$package $was is $why: nothing is changed"
        return
    fi
    if dpkg --compare-versions "$target" lt "$was"; then
        fail upgrade "$package $was is newer than $target: an engine does not go back to an older version by itself"
    fi
    say info "$package $was -> $target"
    set -- "$package=$target"
    for other in docker-ce-cli docker-ce-rootless-extras; do
        if [ -n "$(installed $other)" ] && pin=$(offered $other | grep -Fx "$target"); then set -- "$@" "$other=$pin"; fi
    done
    # A package of its own from Debian 13 on: the engine's may be about to lose it.
    if [ "$package" = docker.io ] && command -v docker >/dev/null && [ -n "$(offered docker-cli)" ]; then
        set -- "$@" docker-cli
    fi
    # What cannot be had is found out while everything still runs.
    patiently apt-get install -y -q --no-install-recommends --download-only "$@" || packages_failed "$*"
    say step 'Upgrading docker...'
    since=$(date +%s)
    if ! patiently apt-get install -y -q --no-install-recommends "$@"; then
        start_engine || say log "the engine is down: $says"
        packages_failed "$*"
    fi
    say step 'Restarting docker...'
    leave_the_old_one
    start_engine && return
    engine_words
    say step "Going back to $package $was..."
    if patiently apt-get install -y -q --no-install-recommends --allow-downgrades "$package=$was" && start_engine; then
        fail upgrade "the engine of $package $target does not come up here; $was is back and runs"
    fi
    fail upgrade "the engine of $package $target does not come up; on the host: apt-get install --allow-downgrades $package=$was"
}

installed() {
    dpkg-query -W -f '${db:Status-Abbrev} ${Version}' "$1" 2>/dev/null | sed -n 's/^ii *//p'
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
    if [ "$(dockerd --version 2>/dev/null)" = "$was" ] && systemctl is-active --quiet docker.service; then
        rm -f "$program.rmachine-old"
        say info "The script brought the same engine again: nothing is changed"
        return
    fi
    say step 'Restarting docker...'
    systemctl daemon-reload
    if systemctl restart docker.service >/dev/null 2>&1 && start_engine; then
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
    systemctl daemon-reload
    pid=$(systemctl show -p MainPID --value docker.service)
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
        *' (deleted)') timeout {{ engine_seconds }} systemctl restart docker.service >/dev/null 2>&1 ;;
    esac
}

start_engine() {
    systemctl reset-failed docker.service docker.socket 2>/dev/null
    says=$(timeout {{ engine_seconds }} systemctl start docker.service 2>&1) || return
    await_answer {{ engine_seconds }}
}

engine_words() {
    journalctl _SYSTEMD_UNIT=docker.service --since "@$since" -o cat --no-pager 2>/dev/null | sed 's/^time="[^"]*" //' |
        awk '!seen[$0]++' | tail -n 10 | while IFS= read -r line; do say log "$line"; done
}

main </dev/null
