#!/bin/busybox sh
# How the first process of every machine begins; the script of what it is for follows. What happens is said in lines
# that begin with "@@ ".
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ RUST_BACKTRACE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mkdir -p /run/detector
ip link set lo up
echo "@@ kernel $(uname -r)"
for module in /modules/*; do
    insmod "$module" || echo "@@ failed insmod $module"
done

# Of a machine that has a disk: it is there soon after its modules.
mount_disk() {
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
}
