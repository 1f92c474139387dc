# shellcheck shell=sh
# Prints what this host was given for its first boot, as only it is told at the URL $1. Where cloud-init is there after
# all, its end is awaited: until then the host may still change its key.
set -eu
{
    if command -v cloud-init >/dev/null; then
        timeout 120 cloud-init status --wait || true
    fi
} </dev/null >/dev/null 2>&1
fetch() {
    if command -v curl >/dev/null; then
        curl -fsS --noproxy '*' --max-time 10 "$1"
    elif command -v wget >/dev/null; then
        wget -qO- --no-proxy --timeout=10 --tries=1 "$1"
    elif command -v python3 >/dev/null; then
        python3 -c 'import sys, urllib.request as r; o = r.build_opener(r.ProxyHandler({})); sys.stdout.write(o.open(sys.argv[1], timeout=10).read().decode())' "$1"
    else
        echo 'the host has neither curl nor wget nor python3' >&2
        return 1
    fi
}
fetch "$1" </dev/null
