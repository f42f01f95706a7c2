# An agent records onto the disk while the clock is set back by an hour and forwards again.
mount_disk
echo "@@ mounted"

listener=127.0.0.1:10062
detector run --state-dir /disk --control-socket /run/detector/control.sock --web.listen-address "$listener" \
    >/run/agent.log 2>&1 &
agent=$!

fail() {
    cat /run/agent.log
    echo "@@ failed $1"
    poweroff -f
}

commits() {
    wget -q -O - "http://$listener/metrics" 2>/dev/null |
        sed -n 's/^detector_recorder_commits_total \([0-9]*\).*/\1/p'
}

# Waits until so many more seconds are on the disk.
record() {
    before=$(commits)
    tries=0
    while :; do
        now=$(commits)
        [ -n "$now" ] && [ "$now" -ge $((${before:-0} + $1)) ] && break
        kill -0 "$agent" 2>/dev/null || fail "the agent has ended"
        tries=$((tries + 1))
        [ "$tries" -gt 600 ] && fail "nothing is recorded"
        usleep 200000
    done
}

set_clock() {
    date -s "@$(($(date +%s) + $1))" >/dev/null || fail "date"
}

record 5
set_clock -3600
echo "@@ set back"
record 6
# To a full second, which is less.
set_clock 3601
echo "@@ set forwards"
record 6
kill -TERM "$agent"
wait "$agent"
stopped=$?
[ "$stopped" = 0 ] || fail "the agent ended with $stopped"
umount /disk || fail umount
echo "@@ end"
poweroff -f
