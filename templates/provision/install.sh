# Installs an engine on a host that has none, and waits for whoever else is installing.
{% include "prelude.sh" %}
{% include "apt.sh" %}
version={{ version }}

main() {
    begin
    set_up_apt
    wait_for_cloud_init
    say step 'Installing Docker...'
{%- if method == "script" %}
    install_by_script {{ url }}
{%- else %}
    install_packages
{%- endif %}
    hash -r
    command -v dockerd >/dev/null || fail no-engine 'there is no dockerd afterwards'
    systemctl cat docker.service >/dev/null 2>&1 || fail no-engine 'there is no docker.service afterwards'
    say 'done'
}

wait_for_cloud_init() {
    command -v cloud-init >/dev/null && [ -d /run/cloud-init ] || return 0
    if [ -e /run/cloud-init/result.json ] || [ -e /run/cloud-init/disabled ]; then return; fi
    say step 'Waiting for cloud-init...'
    timeout {{ cloud_init_seconds }} cloud-init status --wait >/dev/null 2>&1
    # Its other codes tell how its own work ended.
    [ $? -ne 124 ] || fail cloud-init {{ cloud_init_seconds }}
}

install_packages() {
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
    patiently apt-get install -y -q --no-install-recommends "$@" || packages_failed "$*"
}

main </dev/null
