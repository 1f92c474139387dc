# Reboots the host in a second, so that the caller still gets an answer. Where the service manager cannot do that,
# `shutdown` reboots at once.
{% include "service/detect.sh" %}

if [ "$(id -u)" = 0 ]; then set --; else set -- sudo -n; fi
case $(service_manager) in
{%- for service in services %}
    {{ service.name }}) {% include "service/" ~ service.name ~ "/reboot.sh" %} ;;
{%- endfor %}
    *) false ;;
esac || "$@" shutdown -r now </dev/null
