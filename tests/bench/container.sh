#!/bin/sh
# What `create -d docker` cannot do without, by hand: `docker run` with the same flags, until the engine inside answers.
#
#   container.sh NAME NETWORK IMAGE CAPABILITY...
set -eu
name=$1 network=$2 image=$3
shift 3
caps=
for cap; do caps="$caps --cap-add $cap"; done
# shellcheck disable=SC2086  # words
docker run -d --name "$name" --hostname "$name" --network "$network" $caps --security-opt seccomp=unconfined \
    --security-opt apparmor=unconfined --security-opt systempaths=unconfined --cgroupns=private \
    --device-cgroup-rule 'a *:* rwm' --tmpfs /run --tmpfs /run/lock --stop-signal SIGRTMIN+3 \
    -v /var/lib/docker -v /var/lib/containerd "$image" >/dev/null
tries=600
until docker exec "$name" docker version >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "the engine in $name does not answer" >&2; exit 1; }
    sleep 0.05
done
