# Starts and stops the agent, plays peers against it, and switches the machine off.
mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200

# Without the kernel's log, the hook on the OOM killer has to tell who is killed.
mount -o bind /dev/null /dev/kmsg
mount -t cgroup2 none /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/greedy
echo 20M >/sys/fs/cgroup/greedy/memory.max

detector run --control-socket /run/detector/control.sock >/run/agent.log 2>&1 &
agent=$!
tries=0
while ! grep -q '^ready:' /run/agent.log; do
    tries=$((tries + 1))
    if [ "$tries" -gt 1200 ] || ! kill -0 "$agent" 2>/dev/null; then
        break
    fi
    usleep 100000
done
if grep -q '^ready:' /run/agent.log; then
    echo "@@ ready"
    sh -c 'echo $$ >/sys/fs/cgroup/greedy/cgroup.procs; exec awk "BEGIN { s = 1; while (1) s = s s }"'
    tries=0
    until grep -q 'the kernel killed awk' /run/agent.log; do
        tries=$((tries + 1))
        [ "$tries" -gt 600 ] && break
        usleep 100000
    done
    # An emulated machine may be too slow to look at it while it is alive: its group is known all the same.
    grep 'the kernel killed awk\[[0-9]*\] of .*greedy.*: .* anonymous' /run/agent.log && echo "@@ victim named"
    kill -TERM "$agent"
    wait "$agent"
    echo "@@ stop $?"
    # With an agent and a namespace of its own; few at a time, for an emulated machine is slow.
    detector selftest --at-once 5 >/run/selftest.log 2>&1
    echo "@@ selftest $?"
else
    echo "@@ failed start"
fi
echo "--- selftest"
cat /run/selftest.log 2>/dev/null
echo "--- agent"
cat /run/agent.log
echo "@@ end"
poweroff -f
