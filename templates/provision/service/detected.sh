# For scripts that run on a host of which no facts are known.
{% include "service/detect.sh" %}

case $(service_manager) in
{%- for service in services %}
{{ service.name }})
{% include "service/" ~ service.name ~ "/" ~ part %}
;;
{%- endfor %}
*)
    echo "rmachine does not support the host's service manager, $(service_manager); supported:" {{ supported }} >&2
    exit 3
    ;;
esac
