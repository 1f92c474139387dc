# Puts files into place, restarts the engine and, if it does not come up with them, puts the old ones back.
{% include "prelude.sh" %}
{% include "service/" ~ service ~ "/engine.sh" %}
{% include "engine.sh" %}
etc=/etc/docker
new=$etc/.rmachine-new
# The files as they were when the engine last came up. There from before the first change until the engine answers.
pending=$etc/.rmachine-pending
names='daemon.json ca.pem server.pem server-key.pem '{{ start_options.name }}

main() {
    begin
    same_as_planned
    stage
{%- if hostname %}
    take_name {{ hostname }}
{%- endif %}
{%- if starting %}
    if comes_up; then
{%- if enable %}
        enable_service
{%- endif %}
        say 'done'
        return
    fi
{%- endif %}
{%- if restart %}
    validate
    remember
{%- if certs %}
    say step 'Copying certs to the remote machine...'
{%- endif %}
    place_all
    say step 'Setting Docker configuration on the remote daemon...'
    bring_up
    rm -rf "$pending"
{%- elif enable %}
    enable_service
{%- endif %}
    say 'done'
}

where() {
    case $1 in
        {{ start_options.name }}) set -- {{ start_options.path }} ;;
        *) set -- "$etc/$1" ;;
    esac
    # A link stays one, and what it leads to is written.
    if [ -L "$1" ]; then readlink -f "$1"; else echo "$1"; fi
}

# What is merged was read by an earlier command; somebody may have been here since.
same_as_planned() {
    now=$(cd $etc 2>/dev/null && sha256sum daemon.json ca.pem server.pem server-key.pem \
        {{ start_options.path }} 2>/dev/null)
    [ "$now" = {{ digests }} ] || fail stale 'the configuration changed meanwhile'
}

stage() {
    rm -rf $new
    [ -d $etc ] || says=$(mkdir -m 0755 $etc 2>&1) || fail_writing /etc "$says"
    says=$(mkdir $new 2>&1) || fail_writing $etc "$says"
{%- for file in files %}
    new_file {{ file.name }} {{ file.mode }} {{ file.base64 }}
{%- endfor %}
    :
}

# new_file NAME MODE BASE64. printf is the shell's own: the content is on no command line.
new_file() {
    says=$({ printf %s "$3" | base64 -d >"$new/$1" && chmod "$2" "$new/$1"; } 2>&1) || fail_writing $etc "$says"
}

take_name() {
    says=$(hostname "$1" 2>&1) || fail failed "hostname $1: $says"
    echo "$1" >"$work/hostname"
    overwrite "$work/hostname" /etc/hostname
    if ! grep -Eq "[[:blank:]]$1([[:blank:]]|\$)" /etc/hosts; then
        if grep -q '^127\.0\.1\.1[[:blank:]]' /etc/hosts; then
            sed "s/^127\.0\.1\.1[[:blank:]].*/127.0.1.1 $1/" /etc/hosts >"$work/hosts"
        else
            { cat /etc/hosts && echo "127.0.1.1 $1"; } >"$work/hosts"
        fi
        overwrite "$work/hosts" /etc/hosts
    fi
}

# Whole and at once, except where the file is mounted by itself, as in a container.
overwrite() {
    says=$(cp "$1" "$2.rmachine" 2>&1 && chmod 0644 "$2.rmachine" 2>&1) || { rm -f "$2.rmachine"; fail_writing "$2" "$says"; }
    mv -f "$2.rmachine" "$2" 2>/dev/null || { cat "$1" >"$2"; rm -f "$2.rmachine"; }
}

remember() {
    # From an earlier try that did not end: what came before that one is the state to go back to.
    [ -d $pending ] && return
    first_try=yes
    rm -rf $pending.part
    says=$(mkdir $pending.part 2>&1) || fail_writing $etc "$says"
    for name in $names; do
        old=$(where "$name")
        [ -e "$old" ] || continue
        says=$(cp -p "$old" "$pending.part/$name" 2>&1) || { rm -rf $pending.part; fail_writing $etc "$says"; }
    done
    sync $pending.part/* 2>/dev/null
    mv $pending.part $pending
}

# It loads the certificates too, so it is shown the new ones where they lie now.
validate() {
    [ -e $new/daemon.json ] || return 0
    cp $new/daemon.json "$work/daemon.json"
    for name in ca.pem server.pem server-key.pem; do
        [ ! -e "$new/$name" ] || sed -i "s|\"$etc/$name\"|\"$new/$name\"|" "$work/daemon.json"
    done
    says=$(dockerd --validate --config-file="$work/daemon.json" 2>&1) && return
    # Engines before 23.0.
    case $says in *'unknown flag'*validate*) return ;; esac
    printf '%s\n' "$says" | sed -e "s|$new/|$etc/|g" -e "s|$work/|$etc/|g" | tail -n 10 | logged_lines
    fail rejected 'dockerd --validate refused it'
}

place_all() {
    for name in $names; do
        [ -e "$new/$name" ] || continue
        says=$(put "$new/$name" "$(where "$name")" 2>&1) || cannot_place "$(dirname "$(where "$name")")" "$says"
    done
    rm -rf $new
}

# The engine still runs with what it was started with.
cannot_place() {
    roll_back && [ -n "${first_try:-}" ] && rm -rf $pending
    fail_writing "$1" "$2"
}

# put FROM TO: a link to the same content where that is possible, so that going back needs no space.
put() {
    [ -d "$(dirname "$2")" ] || mkdir -m 0755 "$(dirname "$2")" || return
    rm -f "$2.rmachine"
    if ln "$1" "$2.rmachine" 2>/dev/null || cp -p "$1" "$2.rmachine"; then
        sync "$2.rmachine" 2>/dev/null
        mv -f "$2.rmachine" "$2" && return
    fi
    rm -f "$2.rmachine"
    return 1
}

bring_up() {
    since=$(date +%s)
{%- if reload %}
    reload_definitions
{%- endif %}
{%- if enable %}
    enable_service
{%- endif %}
    start_engine && return
    engine_log | logged_lines
{%- if not files %}
    # It has what it is to have, and nothing else was there before.
    rm -rf "$pending"
    fail not-up 'the engine did not come up'
{%- else %}
    roll_back && old_is_back=yes
    start_engine || up=no
    [ -z "${old_is_back:-}" ] || rm -rf $pending
    [ "${up:-}" = no ] || fail rolled-back 'the engine did not come up'
    fail engine-down 'the engine did not come up, nor with its old configuration'
{%- endif %}
}

# It is on its way up with what it is to have: that start is waited for, and no other one made.
comes_up() {
    says=$(start_service {{ engine_seconds }} 2>&1) && await_answer {{ engine_seconds }}
}

start_engine() {
    says=$(restart_service {{ engine_seconds }} 2>&1) || return
    await_answer {{ engine_seconds }}
}

# Each line once, since some service managers try several times.
engine_log() {
    service_output "$since" | awk '!seen[$0]++' >"$work/engine"
    grep -Ei 'level=(fatal|panic|error)|^(failed|unable|invalid|unknown|error|panic)|conflict' "$work/engine" | tail -n 10 >"$work/worst"
    if [ -s "$work/worst" ]; then cat "$work/worst"
    elif [ -s "$work/engine" ]; then tail -n 10 "$work/engine"
    else printf '%s\n' "$says"
    fi
}

logged_lines() {
    while IFS= read -r line; do say log "$line"; done
}

roll_back() {
    say info 'Putting the old configuration back...'
    for name in $names; do
        old=$(where "$name")
        if [ ! -e "$pending/$name" ]; then rm -f "$old"
        elif ! cmp -s "$pending/$name" "$old"; then put "$pending/$name" "$old" || incomplete=yes
        fi
    done
    reload_definitions
    [ -z "${incomplete:-}" ]
}

main </dev/null
