//! How fast unrelated log lines are passed over: at least 100 MB/s is promised.
//!
//! `cargo bench -p detector-kmsg`

#![allow(clippy::unwrap_used, reason = "a bench may fail where it stands")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use detector_kmsg::LogReader;
use std::hint::black_box;

const LINES: [(&str, &str); 4] = [
    (
        "syslog",
        "Mar  4 10:11:12 web1 sshd[1234]: Accepted publickey for deploy from 192.0.2.7 port 50122 ssh2: ED25519\n",
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
        "Docker",
        "{\"log\":\"GET /index.html 200 5120\\n\",\"stream\":\"stdout\",\"time\":\"2024-05-01T12:00:00.123456789Z\"}\n",
    ),
];

fn unrelated_lines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unrelated lines");
    for (name, line) in LINES {
        let log = line.repeat((16 << 20) / line.len());
        group.throughput(Throughput::Bytes(log.len() as u64));
        group.sample_size(10).bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut reader = LogReader::new().unwrap();
                for piece in log.as_bytes().chunks(1 << 18) {
                    reader.feed(black_box(piece));
                }
                reader.finish()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, unrelated_lines);
criterion_main!(benches);
