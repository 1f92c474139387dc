# shellcheck shell=sh
# Runs the command $1 for as long as somebody holds standard input. When that ends, because whoever asked went away or gave
# up, the command ends too, and all that it started: sshd itself would let it run on. Its own standard input is empty.
exec 3<&0 </dev/null
setsid "${SHELL:-/bin/sh}" -c "$1" 3<&- &
child=$!
{
    cat <&3
    kill -s TERM -- "-$child"
    sleep 3
    kill -s KILL -- "-$child"
} >/dev/null 2>&1 &
watcher=$!
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
