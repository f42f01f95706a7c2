//! The kernel's own counts of segments that it dropped.

use super::Namespace;
use anyhow::{Context, Result};

/// Segments dropped in one namespace so far.
#[derive(Clone, Copy, Debug)]
pub struct SegmentCounts {
    /// For a wrong checksum.
    pub damaged: u64,
    /// For a timestamp from the past.
    pub from_the_past: u64,
    /// For ending beyond our window; `None` where the kernel does not ask for that.
    pub beyond_window: Option<u64>,
}

impl SegmentCounts {
    /// Those of this namespace.
    pub fn read(namespace: &Namespace) -> Result<Self> {
        namespace.enter(Self::here)
    }

    /// Those of the namespace this thread is in.
    pub fn here() -> Result<Self> {
        let (snmp, netstat) = (file("snmp")?, file("netstat")?);
        Ok(Self {
            damaged: count(&snmp, "Tcp:", "InCsumErrors").context("no InCsumErrors")?,
            from_the_past: count(&netstat, "TcpExt:", "PAWSEstab").context("no PAWSEstab")?,
            beyond_window: count(&netstat, "TcpExt:", "BeyondWindow"),
        })
    }
}

fn file(name: &str) -> Result<String> {
    let path = format!("/proc/thread-self/net/{name}");
    std::fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

/// A count of a table of two lines, names and numbers, that both begin with `prefix`.
fn count(text: &str, prefix: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with(prefix));
    let place = lines.next()?.split(' ').position(|word| word == name)?;
    lines.next()?.split(' ').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_found_by_their_name() {
        let text = "Udp: InCsumErrors\nUdp: 9\nTcp: ActiveOpens InCsumErrors\nTcp: 1 2\n";
        assert_eq!(count(text, "Tcp:", "InCsumErrors"), Some(2));
        assert_eq!(count(text, "Tcp:", "BeyondWindow"), None);
        assert_eq!(count(text, "TcpExt:", "BeyondWindow"), None);
    }
}
