//! What drivers write about their interfaces.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_kmsg::{LogReader, LogReport};

fn read(text: &str) -> LogReport {
    let mut reader = LogReader::new().unwrap();
    reader.feed(text.as_bytes());
    reader.finish()
}

#[test]
fn no_driver_is_an_interface() {
    let noise = "Mar  4 10:11:12 web1 sshd[123]: Accepted publickey for deploy\n".repeat(4000);
    for (line, interface, change) in [
        ("lan78xx 1-1.1.1:1.0 eth0: Link is Down", "eth0", (1, 0, 0)),
        (
            "lan743x 0000:01:00.0 eth1: Link is Up - 1Gbps/Full - flow control off",
            "eth1",
            (0, 1, 0),
        ),
        ("enc28j60 spi0.0 eth2: link down", "eth2", (1, 0, 0)),
        ("ibmvnic 30000003 env3: Link is up", "env3", (0, 1, 0)),
        ("lan1: Link is Down", "lan1", (1, 0, 0)),
        ("qeth 0.0.0600: enc600: Link is Down", "enc600", (1, 0, 0)),
        ("enic 0000:06:00.0 eth0: Link UP", "eth0", (0, 1, 0)),
        ("enic 0000:06:00.0 eth0: Link DOWN", "eth0", (1, 0, 0)),
        (
            "ixgbe 0000:03:00.0 eth1: initiating reset due to lost link with pending Tx work",
            "eth1",
            (0, 0, 1),
        ),
    ] {
        for noise in ["", &noise] {
            let report = read(&format!(
                "{noise}Mar  4 10:11:13 web1 kernel: [12.5] {line}\n"
            ));
            let links = report.links.iter().map(|link| {
                let counts = (link.down, link.up, link.resets);
                (link.interface.as_str(), counts)
            });
            let links: Vec<_> = links.collect();
            assert_eq!(links, [(interface, change)], "{line}");
        }
    }
}
