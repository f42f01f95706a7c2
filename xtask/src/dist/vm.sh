#!/bin/bash
# Runs in the machine at each of its two boots, as a user would who follows the README. What is wrong goes to the
# console behind "@@ failed", what is right behind "@@ ok".
exec >/dev/console 2>&1
cd /srv
patience=$(cat patience)
export DEBIAN_FRONTEND=noninteractive
. ./vm-rpm.sh
ok() { echo "@@ ok $*"; }
fail() {
    echo "@@ failed $*"
    systemctl status --no-pager detector | head -20
    journalctl --no-pager -u detector -n 30
    echo "@@ end"
    systemctl poweroff --force
    exit 1
}
expect() { # what, then a command that must succeed
    local what=$1
    shift
    "$@" >/tmp/said 2>&1 && ok "$what" || { cat /tmp/said; fail "$what"; }
}
refuse() {
    local what=$1
    shift
    "$@" >/tmp/said 2>&1 && { cat /tmp/said; fail "$what"; } || ok "$what"
}
metric() { curl -s http://127.0.0.1:10062/metrics | grep -F "$1"; }
wait_for() { # seconds, what, command
    local seconds=$1 what=$2
    shift 2
    for _ in $(seq $((seconds * patience))); do
        "$@" >/tmp/said 2>&1 && { ok "$what"; return; }
        sleep 1
    done
    fail "$what"
}
pid() { systemctl show --value -p MainPID detector; }
# Whether Prometheus finds anything by it.
finds() { curl -sfG --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query | grep -F '"value"'; }
number() { systemctl show --value -p "$1" detector; }

# Thirty clients of another network ask the web server for a page and read nothing.
attack() {
    truncate -s 64M /var/www/html/big
    ip netns add away
    ip link add wire type veth peer name wire netns away
    ip address add 198.18.0.1/30 dev wire
    ip link set wire up
    ip -n away address add 198.18.0.2/30 dev wire
    ip -n away link set wire up
    exec ip netns exec away bash -c 'for i in $(seq 30); do
        exec {to}<>/dev/tcp/198.18.0.1/80
        printf "GET /big HTTP/1.0\r\n\r\n" >&$to
    done; sleep 600'
}

# What needs more than the unit gives by default.
drop_ins() {
    mkdir -p /etc/systemd/system/detector.service.d
    cp /usr/share/doc/detector/examples/{actions,kernel-log,namespaces}.conf /etc/systemd/system/detector.service.d/
    systemctl daemon-reload
    expect "starts with all drop-ins" systemctl restart detector
    wait_for 30 "ready with them" curl -sf http://127.0.0.1:10062/readyz
    refuse "the kernel's log is read" sh -c "journalctl -u detector _PID=$(pid) | grep 'cannot read the kernel'"
    expect "the other namespace is swept" sh -c "curl -s http://127.0.0.1:10062/metrics | grep -E '^detector_sweep_namespaces [2-9]'"
    wait_for 30 "what was stalled before it started is found" sh -c "detector peers | grep 198.18.0.2"
    expect "and reset" sh -c "detector reset 198.18.0.2 --stalled-for 1s | grep -i -E 'closed|reset'"
    rm -r /etc/systemd/system/detector.service.d
    systemctl daemon-reload
    expect "and starts without them" systemctl restart detector
    wait_for 30 "ready without" curl -sf http://127.0.0.1:10062/readyz
}

# Somebody has tried it without a package before, and that agent runs still.
beside_an_older_one() {
    ./older run >older.log 2>&1 &
    local older=$!
    wait_for 30 "an agent that was started by hand is ready" curl -sf http://127.0.0.1:10062/readyz
    expect "the package is installed beside it" dpkg -i detector.deb
    grep -q "an agent is running that this package did not start" /tmp/said && ok "and says so" || fail "and says so"
    refuse "two do not run at once" systemctl start detector
    expect "the second one says why" sh -c "journalctl -u detector | grep 'another agent is running on it'"
    expect "the first one goes on" curl -sf http://127.0.0.1:10062/readyz
    expect "and is answered as before" ./older peers
    kill $older
    wait $older
    expect "once it has ended, the unit starts" systemctl start detector
    expect "with what the other one recorded" test "$(stat -c %U /var/lib/detector/recorder.db)" = detector
    expect "all of it is purged" dpkg -P detector
    nothing_is_left
}

# Somebody is called detector already.
beside_somebody() {
    useradd --create-home --shell /bin/bash detector
    refuse "a user of that name is not taken" dpkg -i detector.deb
    grep -q "that is not of this package" /tmp/said && ok "and says so" || { cat /tmp/said; fail "and says so"; }
    dpkg -P detector
    expect "nor deleted" getent passwd detector
    userdel --remove detector
    nothing_is_left
}

nothing_is_left() {
    for left in $(find / -xdev -path /proc -prune -o -path /srv -prune -o -path /var/log -prune -o \
        -path /var/lib/systemd -prune -o -path /sys -prune -o -name '*detector*' -print) \
        $(find /run -name '*detector*' -not -path '/run/systemd/*' -not -path '/run/log/*'); do
        fail "removed, but left $left"
    done
    refuse "its user is gone" getent passwd detector
    refuse "its unit is gone" systemctl cat detector
    ok "nothing is left"
}

# In /tmp/said is what the installation said.
is_installed_only() {
    grep -q "systemctl enable --now detector" /tmp/said && ok "says how to start" || fail "says how to start"
    refuse "nothing was started" systemctl is-active detector
    refuse "nothing will be started" systemctl is-enabled detector
}

# What the README says from a package to the first alert.
by_the_readme() {
    local line
    while read -r line <&3; do
        expect "$line" bash -c "$line"
        case $line in
        apt*) is_installed_only ;;
        *enable*) expect "ready" curl -sf http://127.0.0.1:10062/readyz ;;
        esac
    done 3<first-alert
}

# How it runs when nothing is the matter.
is_at_rest() {
    expect "the host can run it" detector check
    expect "runs as its own user" test "$(stat -c %U /proc/"$(pid)")" = detector
    expect "is hardly exposed" systemd-analyze --no-pager security --threshold="$(cat most-exposed)" detector
    echo "@@ $(tail -1 /tmp/said)"
    echo "@@ memory, maps included: $(number MemoryCurrent) bytes"
    expect "which is less than it may have" test "$(number MemoryCurrent)" -lt "$(number MemoryHigh)"
    # That of the states of connections alone takes more.
    expect "the maps are among it" awk '$1 == "kernel" { is_much = $2 > 20 * 2^20 } END { exit !is_much }' \
        /sys/fs/cgroup/system.slice/detector.service/memory.stat
}

first() {
    beside_somebody
    beside_an_older_one
    local began=$SECONDS
    by_the_readme
    wait_for 60 "Prometheus has asked it" finds 'up{job="detector"} == 1'
    refuse "no alert fires before there is a reason" finds 'ALERTS{alertstate="firing"}'
    attack &
    local attacker=$!
    wait_for 300 "an alert fires" finds 'ALERTS{alertstate="firing",alertname="DetectorHoard"}'
    local took=$((SECONDS - began))
    echo "@@ $took s from the first line of the README to the alert"
    expect "the first alert within five minutes" test $took -le $((300 * patience))
    expect "and a user sees it" sh -c "promtool query instant http://localhost:9090 ALERTS | grep DetectorHoard"
    systemctl disable --now prometheus
    wait_for 60 "the attack is flagged" sh -c "detector events | grep stall-hoard"
    wait_for 30 "its owner is named" sh -c "detector peers | grep nginx.service"
    expect "what the alert looks at is there" metric 'detector_incidents_standing{kind="hoard"} 1'
    detector peers
    is_at_rest
    refuse "it may not act" detector reset 198.18.0.2 --stalled-for 1s
    grep -q /usr/share/doc/detector/examples/actions.conf /tmp/said && ok "and says what lets it" || fail "and says what lets it"
    expect "an incident is listed" sh -c "detector incidents | grep hoard"
    drop_ins
    kill $attacker

    echo 'nonsense = 1' >>/etc/detector/detector.toml
    systemctl reload detector
    wait_for 10 "a wrong configuration is refused at reload" metric "detector_config_last_reload_successful 0"
    sed -i '/nonsense/d' /etc/detector/detector.toml
    echo '# mine' >>/etc/detector/detector.toml
    expect "and a right one taken" systemctl reload detector
    wait_for 10 "which the metric says" metric "detector_config_last_reload_successful 1"

    local before
    before=$(pid)
    kill -STOP "$before"
    wait_for 150 "an agent that hangs is killed by the watchdog and started anew" \
        sh -c "p=\$(systemctl show --value -p MainPID detector); [ \$p != 0 ] && [ \$p != $before ] && systemctl is-active detector"
    detector incidents --state-dir /var/lib/detector | tail -n +2 | wc -l >/srv/incidents
    touch /srv/second
    ok "reboots"
    systemctl reboot
}

second() {
    wait_for 60 "runs after a reboot" systemctl is-active detector
    expect "incidents outlived it" sh -c "[ \$(detector incidents | tail -n +2 | wc -l) -ge $(cat /srv/incidents) ] && [ $(cat /srv/incidents) -gt 0 ]"
    local before
    before=$(pid)
    expect "is upgraded" dpkg --force-confold -i newer.deb
    wait_for 30 "and started anew" sh -c "p=\$(systemctl show --value -p MainPID detector); [ \$p != 0 ] && [ \$p != $before ]"
    wait_for 30 "the new one is ready" curl -sf http://127.0.0.1:10062/readyz
    expect "the configuration was kept" grep -q '# mine' /etc/detector/detector.toml
    expect "the recorder was kept" sh -c "detector incidents | grep hoard"

    echo 'nonsense = 1' >>/etc/detector/detector.toml
    before=$(pid)
    expect "an upgrade over a wrong configuration goes through" dpkg --force-confold -i newer.deb
    grep -q "refuses /etc/detector/detector.toml" /tmp/said && ok "says what is wrong" || { cat /tmp/said; fail "says what is wrong"; }
    expect "and the old one goes on" test "$(pid)" = "$before"

    expect "is removed" dpkg -r detector
    refuse "and does not run any more" sh -c "ls -l /proc/[0-9]*/exe 2>/dev/null | grep /usr/bin/detector"
    expect "the recorder is kept" test -s /var/lib/detector/recorder.db
    expect "is installed again over what was kept" dpkg --force-confold -i newer.deb
    is_installed_only
    expect "is purged" dpkg -P detector
    # The user's own copies.
    rm /etc/prometheus/detector-{rules,alerts}.yml
    nothing_is_left
    of_rpm
    echo "@@ end"
    systemctl poweroff
}

if [ -e /srv/second ]; then second; else first; fi
