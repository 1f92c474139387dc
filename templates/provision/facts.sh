# shellcheck shell=sh
# Says what a host is and what its engine is configured with, as text for src/provision/facts.rs. Changes nothing.
#
# Sent to `sh -s`, or to `sh -s version` if the engine's version is wanted too: to ask for that takes longer than all the rest.
# Runs as whoever logs in. Lines: `= KEY VALUE`, or `: KEY` followed by `| LINE` for each line of a text. What does not look
# like that (a banner, a shell's own words) is not part of the answer.
{% include "service/detect.sh" %}

main() {
    wanted=${1:-}
    export LC_ALL=C
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    echo '@rmachine facts 1'
    value uid "$(id -u)"
    value user "$(id -un)"
    value arch "$(uname -m)"
    value hostname "$(uname -n)"
    if [ -r /etc/os-release ]; then text os-release </etc/os-release
    elif [ -r /usr/lib/os-release ]; then text os-release </usr/lib/os-release
    fi
    service=$(service_manager)
    value service-manager "$service"
    # A snap's engine is the snap's to configure.
    [ -e /snap/bin/docker ] && value snap yes
    for tool in{% for program in package_programs %} {{ program }}{% endfor %} curl wget docker dockerd; do
        found=$(command -v "$tool") && value "tool.$tool" "$found"
    done
    # Its own files say it at once; `cloud-init status` starts a Python for it.
    if [ -e /run/cloud-init/disabled ]; then value cloud-init disabled
    elif [ -e /run/cloud-init/result.json ]; then value cloud-init finished
    elif [ -d /run/cloud-init ]; then value cloud-init running
    fi
    text df <<-DF
	$(df -Pk / /var/lib 2>/dev/null)
	DF
    elevate
    echo '@rmachine end'
}

value() {
    printf '= %s %s\n' "$1" "$2"
}

text() {
    printf ': %s\n' "$1"
    sed 's/^/| /'
    # A file may lack its last newline.
    echo
}

# The rest is seen by root alone on some hosts.
elevate() {
    if [ "$(id -u)" = 0 ]; then
        value sudo root
        sh -s <<ROOT
$(root_part)
ROOT
    elif ! command -v sudo >/dev/null; then
        value sudo missing
    elif says=$(sudo -n sh -c : 2>&1); then
        value sudo yes
        sudo -n sh -s <<ROOT
$(root_part)
ROOT
    else
        value sudo refused
        text sudo-says <<SAYS
$says
SAYS
    fi
}

root_part() {
    cat <<'ROOT'
text() {
    printf ': %s\n' "$1"
    sed 's/^/| /'
    echo
}
file() {
    if [ -f "$2" ]; then text "$1" <"$2"; fi
}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
ROOT
    case $service in
{%- for service in services %}
        {{ service.name }})
            echo start_options={{ service.start_options }}
            cat <<'SERVICE'
{% include "service/" ~ service.name ~ "/facts.sh" %}
SERVICE
            ;;
{%- endfor %}
    esac
    cat <<'ROOT'
cd /etc/docker 2>/dev/null && sha256sum daemon.json ca.pem server.pem server-key.pem "$start_options" 2>/dev/null | text digests
cd /etc/docker 2>/dev/null && stat -c '%a %n' daemon.json ca.pem server.pem server-key.pem "$start_options" 2>/dev/null | text modes
if [ -e /etc/docker/.rmachine-pending ]; then echo '= pending yes'; fi
file daemon.json /etc/docker/daemon.json
file "${start_options##*/}" "$start_options"
file default /etc/default/docker
file hosts /etc/hosts
ROOT
    [ "$wanted" != version ] || echo 'if command -v dockerd >/dev/null; then dockerd --version 2>&1 | text dockerd; fi'
}

main "$@" </dev/null
