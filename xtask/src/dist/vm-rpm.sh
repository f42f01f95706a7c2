# Part of vm.sh: the RPM package, once nothing is left of the other one.
of_rpm() {
    rpm_() { rpm --define "_dbpath /srv/rpm" "$@"; }
    expect "rpm: what it asks for is there" rpm_ --install distribution.rpm
    useradd --create-home --shell /bin/bash detector
    refuse "rpm: a user of that name is not taken" rpm_ --install detector.rpm
    grep -q "that is not of this package" /tmp/said && ok "rpm: and says so" || { cat /tmp/said; fail "rpm: and says so"; }
    userdel --remove detector
    expect "rpm: installs" rpm_ --install detector.rpm
    grep -q "systemctl enable --now detector" /tmp/said && ok "rpm: says how to start" || fail "rpm: says how to start"
    refuse "rpm: nothing was started" systemctl is-active detector
    refuse "rpm: nothing will be started" systemctl is-enabled detector
    expect "rpm: files are as they were packed" rpm_ --verify detector
    expect "rpm: the host can run it" detector check
    expect "rpm: one command starts it, and waits until it is ready" systemctl enable --now detector
    expect "rpm: ready" curl -sf http://127.0.0.1:10062/readyz
    expect "rpm: runs as its own user" test "$(stat -c %U /proc/"$(pid)")" = detector

    echo '# mine' >>/etc/detector/detector.toml
    local before
    before=$(pid)
    expect "rpm: is upgraded" rpm_ --upgrade newer.rpm
    wait_for 30 "rpm: and started anew" sh -c "p=\$(systemctl show --value -p MainPID detector); [ \$p != 0 ] && [ \$p != $before ]"
    wait_for 30 "rpm: the new one is ready" curl -sf http://127.0.0.1:10062/readyz
    expect "rpm: it will be started at the next boot" systemctl is-enabled detector
    expect "rpm: the configuration was kept" grep -q '# mine' /etc/detector/detector.toml
    expect "rpm: the recorder was kept" test -s /var/lib/detector/recorder.db

    echo 'nonsense = 1' >>/etc/detector/detector.toml
    before=$(pid)
    expect "rpm: another version over a wrong configuration goes through" rpm_ --upgrade --oldpackage detector.rpm
    grep -q "refuses /etc/detector/detector.toml" /tmp/said && ok "rpm: says what is wrong" || { cat /tmp/said; fail "rpm: says what is wrong"; }
    expect "rpm: and the old one goes on" test "$(pid)" = "$before"

    expect "rpm: is erased" rpm_ --erase detector
    refuse "rpm: and does not run any more" sh -c "ls -l /proc/[0-9]*/exe 2>/dev/null | grep /usr/bin/detector"
    expect "rpm: the settings are kept aside" grep -q '# mine' /etc/detector/detector.toml.rpmsave
    expect "rpm: the recorder is kept" test -s /var/lib/detector/recorder.db
    # As docs/install.md says.
    expect "rpm: what it leaves is removed by hand" sh -c \
        "rm -rf /etc/detector /etc/systemd/system/detector.service.d /var/lib/detector && userdel detector"
    nothing_is_left
}
