# Installs an engine on a host that has none, and waits for other installations.
{% include "prelude.sh" %}
{% include "packages/common.sh" %}
{% include "packages/" ~ packages ~ "/functions.sh" %}
{%- if method != "script" %}
{% include "packages/" ~ packages ~ "/install.sh" %}
{%- endif %}
{% include "service/" ~ service ~ "/engine.sh" %}
version={{ version }}

main() {
    begin
    set_up_packages
    wait_for_cloud_init
    say step 'Installing Docker...'
{%- if method == "script" %}
    install_by_script {{ url }}
{%- else %}
    install_engine
{%- endif %}
    hash -r
    command -v dockerd >/dev/null || fail no-engine 'there is no dockerd afterwards'
    has_service || fail no-engine {{ "there is no " ~ service_definition ~ " afterwards" }}
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

main </dev/null
