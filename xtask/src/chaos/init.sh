#!/bin/busybox sh
# First and only process of a machine that records onto its disk until it is switched off.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do
    insmod "$module" || echo "@@ failed insmod $module"
done
mkdir -p /disk
tries=0
until mount -t ext4 /dev/vda /disk; do
    tries=$((tries + 1))
    if [ "$tries" -gt 50 ]; then
        echo "@@ failed mount"
        break
    fi
    usleep 100000
done
chaos write /disk
echo "@@ failed write $?"
poweroff -f
