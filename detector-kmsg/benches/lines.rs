//! How fast unrelated log lines are passed over: at least 100 MB/s is promised, and the bench fails below it.
//!
//! `cargo bench -p detector-kmsg`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench says what it found, and may fail where it stands"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use detector_kmsg::LogReader;
use std::fs;
use std::hint::black_box;

/// Bytes of each log.
const LOG_BYTES: usize = 16 << 20;
/// What is promised, bytes of a log in a second of processor time.
const LEAST_PER_SECOND: f64 = 100e6;
/// Rounds of which the best counts: what else the machine does slows a round down, and nothing speeds it up.
const ROUNDS: u32 = 5;

const LINES: [(&str, &str); 8] = [
    (
        "syslog",
        "Mar  4 10:11:12 web1 sshd[1234]: Accepted publickey for deploy from 192.0.2.7 port 50122 ssh2: ED25519\n",
    ),
    (
        "kernel",
        "Mar  4 10:11:12 web1 kernel: [12345.678901] IPv6: ADDRCONF(NETDEV_CHANGE): veth12: becomes ready for x\n",
    ),
    (
        "access log",
        "192.0.2.7 - - [08/Oct/2026:08:40:00 +0000] \"GET /index.html HTTP/1.1\" 200 5120 \"-\" \"Mozilla/5.0\"\n",
    ),
    (
        "journald JSON",
        "{\"__REALTIME_TIMESTAMP\":\"1599541804928338\",\"_BOOT_ID\":\"2\",\"_TRANSPORT\":\"journal\",\
         \"SYSLOG_IDENTIFIER\":\"nginx\",\"MESSAGE\":\"signal process started\",\"PRIORITY\":\"6\"}\n",
    ),
    (
        "pretty journald JSON",
        "{\n\t\"__REALTIME_TIMESTAMP\" : \"1599541804928338\",\n\t\"_TRANSPORT\" : \"journal\",\n\
         \t\"_HOSTNAME\" : \"web1\",\n\t\"SYSLOG_IDENTIFIER\" : \"nginx\",\n\
         \t\"MESSAGE\" : \"signal process started\",\n\t\"PRIORITY\" : \"6\"\n}\n",
    ),
    (
        "verbose journal",
        "Tue 2020-09-08 05:10:04.928338 UTC [s=0001;i=1f345;b=0002;m=192b;t=5aec8;x=05]\n    PRIORITY=6\n    \
         _TRANSPORT=journal\n    SYSLOG_IDENTIFIER=nginx\n    MESSAGE=signal process started and more words here\n",
    ),
    (
        "Docker",
        "{\"log\":\"GET /index.html 200 5120\\n\",\"stream\":\"stdout\",\"time\":\"2024-05-01T12:00:00.123456789Z\"}\n",
    ),
    (
        "CRI",
        "2024-05-01T12:00:00.123456789Z stdout F GET /index.html 200 5120 Mozilla/5.0 and so on and on\n",
    ),
];

fn read(log: &[u8]) {
    let mut reader = LogReader::new().unwrap();
    for piece in log.chunks(1 << 18) {
        reader.feed(black_box(piece));
    }
    black_box(reader.finish());
}

/// Seconds for which this thread has had a processor.
fn processor_seconds() -> f64 {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let ns: f64 = schedule.split(' ').next().unwrap().parse().unwrap();
    ns / 1e9
}

fn unrelated_lines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unrelated lines");
    for (name, line) in LINES {
        let log = line.repeat(LOG_BYTES / line.len());
        group.throughput(Throughput::Bytes(log.len() as u64));
        group
            .sample_size(10)
            .bench_function(name, |bencher| bencher.iter(|| read(log.as_bytes())));
    }
    group.finish();
}

/// Ends the bench with an error where less is read than is promised.
fn promise(_: &mut Criterion) {
    for (name, line) in LINES {
        let log = line.repeat(LOG_BYTES / line.len());
        let seconds = || {
            let before = processor_seconds();
            read(log.as_bytes());
            processor_seconds() - before
        };
        let best = (0..ROUNDS).map(|_| seconds()).fold(f64::MAX, f64::min);
        #[allow(clippy::cast_precision_loss, reason = "a log is small")]
        let per_second = log.len() as f64 / best;
        println!("{name}: {:.0} MB/s of processor time", per_second / 1e6);
        assert!(
            per_second >= LEAST_PER_SECOND,
            "{name}: {:.0} MB/s are promised",
            LEAST_PER_SECOND / 1e6
        );
    }
}

criterion_group!(benches, unrelated_lines, promise);
criterion_main!(benches);
