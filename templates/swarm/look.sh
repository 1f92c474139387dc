# shellcheck shell=sh
# What a node sees: its own addresses, what arrives for ports that nobody has, whether ports of other nodes answer it. Read
# by src/swarm/look.rs; changes nothing. Sent as it is to `sh -s`; each word after that is one port to try, as
# tcp/ADDRESS/PORT or udp/ADDRESS/PORT, or a folder to look for room in, as room:FOLDER.
main() {
    export LC_ALL=C
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    echo '@rmachine look 1'
    ip -o addr show 2>/dev/null | while read -r _ name family address _; do
        case $family in inet | inet6) echo "= address ${name%%@*} $address" ;; esac
    done
    udp
    # All at once: one that nobody answers takes its whole time.
    for word in "$@"; do
        case $word in
            room:*) room "${word#room:}" ;;
            *) try "$word" & ;;
        esac
    done
    wait
    echo '@rmachine end'
}

# How much came for ports that nobody has, and whether a swarm's own are taken (4789 and 7946).
udp() {
    strays=
    while read -r kind _ none _; do
        case $kind:$none in Udp::[0-9]*) strays=$none ;; esac
    done </proc/net/snmp
    while read -r key value; do
        case $key in Udp6NoPorts) strays=$((${strays:-0} + value)) ;; esac
    done 2>/dev/null </proc/net/snmp6
    [ -z "$strays" ] || echo "= strays $strays"
    cat /proc/net/udp /proc/net/udp6 2>/dev/null | while read -r _ local _; do
        case $local in
            *:12B5) echo '= taken 4789' ;;
            *:1F0A) echo '= taken 7946' ;;
        esac
    done
}

# What is free for the state of a swarm: in kB, and how many files of how many; 0 of 0 where they are not counted.
room() {
    folder=$1
    [ ! -d "$folder/swarm" ] || folder=$folder/swarm
    free=$(df -Pk "$folder" 2>/dev/null | { read -r _ && read -r _ _ _ left _ && echo "$left"; })
    files=$(df -Pi "$folder" 2>/dev/null | { read -r _ && read -r _ all _ left _ && echo "$left $all"; })
    [ -z "$free" ] || echo "= room $free ${files:-0 0} $folder"
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
