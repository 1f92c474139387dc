# Puts the new host key in the place of the one that the first boot brought; a run that was cut off can be repeated.
set -eu
if [ "$(id -u)" = 0 ]; then set --; else set -- sudo -n; fi
new=/etc/ssh/rmachine_new_host_key
key=/etc/ssh/ssh_host_ed25519_key
# The private half last: as long as it is there, the work is not done.
if "$@" test -e "$new"; then
    "$@" cp -p "$new.pub" "$key.pub"
    "$@" mv -f "$new" "$key"
fi
"$@" rm -f "$new.pub"
{% set part = "reload-sshd.sh" %}{% include "service/detected.sh" %}
