# shellcheck shell=sh
# What a node sees: its own addresses, and whether ports of other nodes answer it. Read by src/swarm/look.rs; changes
# nothing. Sent as it is to `sh -s`; each word after that is one port to try: tcp/ADDRESS/PORT or udp/ADDRESS/PORT.
main() {
    export LC_ALL=C
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    echo '@rmachine look 1'
    ip -o addr show 2>/dev/null | while read -r _ name family address _; do
        case $family in inet | inet6) echo "= address ${name%%@*} $address" ;; esac
    done
    # All at once: one that nobody answers takes its whole time.
    for port in "$@"; do
        try "$port" &
    done
    wait
    echo '@rmachine end'
}

try() {
    if ! command -v bash >/dev/null || ! command -v timeout >/dev/null; then
        echo "= port $1 unknown"
        return
    fi
    # UDP has no answer of its own; where nobody listens, the second word meets the refusal of the first.
    # shellcheck disable=SC2016
    said=$(timeout 3 bash -c 'exec 3<>"/dev/$1" && case $1 in udp/*) for i in 1 2 3; do printf x >&3 || exit 1; sleep 0.1; done ;; esac' try "$1" 2>&1)
    case $?:$said in
        0:*) answer=open ;;
        124:*) answer=silent ;;
        *'onnection refused'*) answer=refused ;;
        *) answer=rejected ;;
    esac
    echo "= port $1 $answer"
}

main "$@" </dev/null
