use super::{Inner, Pressure, PressureGauge, parse};
use detector_api::host::{ListenQueues, Load, Memory, Sockets, Stall};
use detector_api::snapshot::InterfaceCounts;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SOCKSTAT: &str = "sockets: used 12\nTCP: inuse 1 orphan 34 tw 0 alloc 35 mem 3221\n\
    UDP: inuse 0 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";
const PRESSURE: &str = "some avg10=3.11 avg60=5.59 avg300=25.38 total=4078294273\n\
    full avg10=0.56 avg60=0.94 avg300=0.65 total=70444238\n";
const MEMINFO: &str = "MemTotal:       24684092 kB\nMemFree:        19750676 kB\n\
    MemAvailable:   24154408 kB\nBuffers:           33308 kB\n";

fn net_dev(rows: &[(&str, [u64; 4])]) -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs \
         drop fifo colls carrier compressed\n",
    );
    for (name, [rx_errors, rx_dropped, tx_errors, tx_dropped]) in rows {
        text += &format!(
            "{name:>6}: 980541973   29452    {rx_errors}    {rx_dropped}    0     0          0         0  \
             1376211   14043    {tx_errors}    {tx_dropped}    0     0       0          0\n"
        );
    }
    text
}

/// A folder like `/proc` of a 6.18 kernel.
fn captured() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("loadavg", "1.78 5.81 4.72 1/89 13683\n"),
        ("meminfo", MEMINFO),
        ("net/sockstat", SOCKSTAT),
        (
            "net/dev",
            &net_dev(&[("lo", [9, 9, 9, 9]), ("eth0", [1, 2, 3, 4])]),
        ),
        ("pressure/cpu", PRESSURE),
        ("pressure/memory", PRESSURE),
        ("pressure/io", PRESSURE),
        ("sys/net/ipv4/tcp_mem", "287901\t383868\t575802\n"),
        ("sys/net/ipv4/tcp_max_orphans", "131072\n"),
        (
            "net/netstat",
            "TcpExt: ListenOverflows ListenDrops TCPAbortOnMemory\nTcpExt: 3 4 7\n",
        ),
        ("self/statm", "765 423 395 5 0 123 0\n"),
    ] {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}

fn sample(folder: &Path) -> Pressure {
    Inner::default().sample(folder, Instant::now())
}

#[test]
fn every_number_comes_from_its_place() {
    let folder = captured();
    let page_bytes = rustix::param::page_size() as u64;
    let pressure = sample(folder.path());
    let load = Load {
        one: 1.78,
        five: 5.81,
        fifteen: 4.72,
    };
    let stall = Stall {
        some_percent: 3.11,
        full_percent: Some(0.56),
    };
    assert_eq!(pressure.load, Some(load));
    assert_eq!(pressure.stalls.cpu, Some(stall));
    assert_eq!(pressure.stalls.io, Some(stall));
    let memory = Memory {
        total_bytes: 24_684_092 * 1024,
        available_bytes: 24_154_408 * 1024,
    };
    assert_eq!(pressure.memory, Some(memory));
    let tcp = pressure.tcp_memory.unwrap();
    assert_eq!(tcp.used_bytes, 3_221 * page_bytes);
    assert_eq!(tcp.limit_bytes, 575_802 * page_bytes);
    let sockets = Sockets {
        used: 12,
        tcp_in_use: 1,
        tcp_allocated: 35,
        orphans: 34,
        time_wait: 0,
        orphan_limit: Some(131_072),
        aborted_on_memory: Some(7),
    };
    assert_eq!(pressure.sockets, Some(sockets));
    let queues = ListenQueues {
        overflows: 3,
        drops: 4,
    };
    assert_eq!(pressure.listen_queues, Some(queues));
    let of_incident = pressure.for_incidents();
    assert_eq!(
        of_incident.orphans.zip(of_incident.orphan_limit),
        Some((34, 131_072))
    );
    let interfaces = pressure.interfaces.unwrap();
    let total = InterfaceCounts {
        rx_errors: 1,
        rx_dropped: 2,
        tx_errors: 3,
        tx_dropped: 4,
    };
    assert_eq!((interfaces.count, interfaces.total), (1, total));
    assert_eq!(interfaces.last_minute, InterfaceCounts::default());
    assert_eq!(pressure.own.resident_bytes, Some(423 * page_bytes));
}

#[test]
fn what_a_kernel_does_not_have_is_null() {
    let empty = tempfile::tempdir().unwrap();
    for folder in [empty.path(), &empty.path().join("nowhere")] {
        let pressure = sample(folder);
        assert_eq!(pressure.load, None);
        assert_eq!(pressure.stalls.cpu, None);
        assert_eq!(pressure.tcp_memory, None);
        assert_eq!(pressure.interfaces, None);
        assert_eq!(pressure.memory, None);
        assert_eq!(pressure.stalls.io, None);
    }
}

#[test]
fn nonsense_is_refused_and_never_panics() {
    for text in [
        "",
        "\n",
        "some",
        "some avg10=",
        "some avg10=inf",
        "some avg10=-1",
        "some avg10=1e9",
        "some avg10=101.00",
        "full avg10=1.0",
        "\u{202e}",
        "MemTotal: kB",
        "MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB",
        "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB",
        "sockets: used\nTCP: inuse",
        "TCP: inuse 1",
        "nan nan nan",
    ] {
        assert_eq!(parse::stall(text), None, "{text}");
        assert_eq!(parse::load(text), None, "{text}");
        assert_eq!(parse::memory(text), None, "{text}");
        assert_eq!(parse::sockets(text), None, "{text}");
        assert_eq!(parse::numbers::<3>(text), None, "{text}");
    }
    // Before 5.13 the processor has no second line.
    let old = parse::stall("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
    assert_eq!(old.map(|stall| stall.full_percent), Some(None));
}

#[test]
fn a_file_without_end_is_not_read() {
    let folder = captured();
    fs::write(
        folder.path().join("loadavg"),
        "1.0 2.0 3.0\n".repeat(100_000),
    )
    .unwrap();
    assert_eq!(sample(folder.path()).load, None);
    fs::write(folder.path().join("meminfo"), b"MemTotal: \xff kB").unwrap();
    assert_eq!(sample(folder.path()).memory, None);
}

#[test]
fn errors_are_counted_from_the_first_look_on() {
    let folder = captured();
    let mut inner = Inner::default();
    let start = Instant::now();
    let mut at = |seconds: u64, rows: &[(&str, [u64; 4])]| {
        fs::write(folder.path().join("net/dev"), net_dev(rows)).unwrap();
        let now = start + Duration::from_secs(seconds);
        let report = inner.sample(folder.path(), now).interfaces.unwrap();
        let taken = inner.interfaces.take();
        (report.last_minute.rx_errors, taken.rx_errors)
    };
    assert_eq!(at(0, &[("eth0", [100, 0, 0, 0])]), (0, 0));
    assert_eq!(at(5, &[("eth0", [103, 0, 0, 0])]), (3, 3));
    // One that appears brings what it counted before; one that starts over takes nothing back.
    let appeared = [("eth0", [104, 0, 0, 0]), ("eth1:1", [50, 0, 0, 0])];
    assert_eq!(at(10, &appeared), (4, 1));
    let reset = [("eth0", [0, 0, 0, 0]), ("eth1:1", [52, 0, 0, 0])];
    assert_eq!(at(15, &reset), (6, 2));
    assert_eq!(at(66, &[("eth1:1", [52, 0, 0, 0])]), (3, 0));
    assert_eq!(at(200, &[]), (0, 0));
}

#[test]
fn a_look_is_shared_for_a_moment() {
    let gauge = PressureGauge::default();
    assert_eq!(gauge.last(), None);
    let first = gauge.sample();
    assert_eq!(gauge.sample(), first);
    assert_eq!(gauge.last(), Some(first));
}
