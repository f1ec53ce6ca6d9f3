#!/bin/sh
# Pid 1 of the image: the least that containers like to have, then the containers, then off.
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /bundles
for name in *; do
    runlet run --bundle "/bundles/$name" "$name" &
done
wait
busybox poweroff -f
