#!/bin/sh
# What a host is busy with: a word and numbers a line.
read -r load _ </proc/loadavg
echo "load $load"
read -r up _ </proc/uptime
echo "up ${up%.*}"
while read -r key value _; do
    case $key in
        MemTotal:) echo "memory $value" ;;
        MemAvailable:) echo "available $value" ;;
    esac
done </proc/meminfo
cores=0
while read -r key user nice system idle wait irq softirq steal _; do
    case $key in
        cpu) echo "cpu $((user + nice + system + irq + softirq + steal)) $((idle + wait))" ;;
        cpu*) cores=$((cores + 1)) ;;
    esac
done </proc/stat
echo "cores $cores"
folder=/var/lib/docker
[ -d "$folder" ] || folder=/
df -Pk "$folder" | while read -r _ size used _; do
    case $size in
        *[!0-9]*) ;;
        *) echo "disk $size $used" ;;
    esac
done
