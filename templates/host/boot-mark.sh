# shellcheck shell=sh
# Prints what changes when a host boots: when its first process began. A container keeps its kernel's boot id.
cut -d ' ' -f 22 /proc/1/stat
cat /proc/sys/kernel/random/boot_id
