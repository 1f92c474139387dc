#!/bin/sh
# What could stand in the way of a stack on this host: whether its kernel can give services addresses of their own, and who
# listens on which port.
PATH=$PATH:/usr/sbin:/sbin
if [ -e /proc/net/ip_vs ] || modprobe -nq ip_vs 2>/dev/null; then
    echo ipvs
fi
if [ "$(id -u)" -eq 0 ] || ! sudo -n ss -Hltunp 2>/dev/null; then
    ss -Hltunp 2>/dev/null
fi
