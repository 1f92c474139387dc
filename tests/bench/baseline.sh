#!/usr/bin/env bash
# What somebody with time would write by hand to get from a host with an engine to a Docker host over TLS: one ssh,
# one restart, nothing checked, nothing kept. The bench holds rmachine's `create` against it.
#
#   tests/bench/baseline.sh DIR NAME HOST SSH_PORT USER KEY
#
# DIR keeps the CA and the client's certificate, made when missing, and DIR/NAME the machine's own.
set -euo pipefail

dir=$1 name=$2 host=$3 port=$4 user=$5 key=$6
engine=2376
machine=$dir/$name

# sign KEY CERT EXTENSION...  an RSA key and a certificate for it, by our CA.
sign() {
    local key=$1 cert=$2 extension args=()
    shift 2
    for extension in "$@"; do
        args+=(-addext "$extension")
    done
    openssl req -config "$dir/openssl.cnf" -x509 -newkey rsa:2048 -nodes -days 1080 -subj "/O=$name" \
        -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -keyout "$key" -out "$cert" "${args[@]}" 2>/dev/null
}

# put MODE PATH  the lines that make standard input a file on the host.
put() {
    printf "cat >%s <<'END'\n" "$2"
    cat
    printf "END\nchmod %s %s\n" "$1" "$2"
}

remote_script() {
    echo 'set -eu; umask 077; mkdir -p -m 0755 /etc/docker /etc/systemd/system/docker.service.d'
    put 0644 /etc/docker/ca.pem <"$dir/ca.pem"
    put 0644 /etc/docker/server.pem <"$machine/server.pem"
    put 0600 /etc/docker/server-key.pem <"$machine/server-key.pem"
    put 0644 /etc/docker/daemon.json <<JSON
{
  "hosts": ["fd://", "tcp://0.0.0.0:$engine"],
  "tls": true,
  "tlsverify": true,
  "tlscacert": "/etc/docker/ca.pem",
  "tlscert": "/etc/docker/server.pem",
  "tlskey": "/etc/docker/server-key.pem",
  "labels": ["provider=generic"]
}
JSON
    put 0644 /etc/systemd/system/docker.service.d/10-machine.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
UNIT
    echo "hostname $name; echo $name >/etc/hostname; echo '127.0.1.1 $name' >>/etc/hosts"
    echo 'systemctl daemon-reload; systemctl restart docker.service'
}

umask 077
mkdir -p "$machine"
printf '[req]\ndistinguished_name=dn\n[dn]\n' >"$dir/openssl.cnf"
if [ ! -f "$dir/ca.pem" ]; then
    openssl req -config "$dir/openssl.cnf" -x509 -newkey rsa:2048 -nodes -days 1080 -subj "/O=$name" \
        -keyout "$dir/ca-key.pem" -out "$dir/ca.pem" -addext basicConstraints=critical,CA:TRUE 2>/dev/null
    sign "$dir/key.pem" "$dir/cert.pem" extendedKeyUsage=clientAuth
fi
sign "$machine/server-key.pem" "$machine/server.pem" extendedKeyUsage=serverAuth \
    "subjectAltName=IP:$host,DNS:localhost,DNS:$name"

remote_script | ssh -F none -p "$port" -i "$key" -o BatchMode=yes -o IdentitiesOnly=yes \
    -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$machine/known_hosts" -o LogLevel=ERROR \
    "$user@$host" sudo -n sh -s

for _ in {1..100}; do
    answer=$(curl -s --max-time 5 --cacert "$dir/ca.pem" --cert "$dir/cert.pem" --key "$dir/key.pem" \
        "https://$host:$engine/_ping" || true)
    [ "$answer" != OK ] || exit 0
    sleep 0.1
done
echo "baseline.sh: the engine does not answer at $host:$engine" >&2
exit 1
