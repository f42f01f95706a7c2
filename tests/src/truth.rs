//! An independent reading of a capture: what the peer did to the sender's window, from the RFCs
//! alone, without a line of the product.
//!
//! The definitions are those of RFC 9293 section 3.10.7.4 (which segment counts), RFC 7323
//! section 2.4 and appendix F (honest rounding of a scaled window), as the detections document
//! them:
//!
//! - the right edge is `ack + (window << shift)`, its maximum is kept from the first segment after
//!   the SYN on;
//! - an edge that moves left is *granularity* while it lies less than `2^shift` below the maximum,
//!   else a shrink: *treason* if the window is zero with data in flight, *below flight* if the edge
//!   lies below what was sent, *polite* otherwise;
//! - a zero-window episode begins with a zero window and ends with a window that takes a full
//!   segment (captures do not show how much is queued; the stories keep more than that queued).

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;

/// What one peer did on one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Shrinks that took back nothing in flight.
    pub polite: u64,
    /// Shrinks below data in flight, to a window above zero.
    pub below_flight: u64,
    /// Shrinks to zero with data in flight.
    pub treason: u64,
    /// Retreats within the rounding bound.
    pub granularity: u64,
    /// Same sequence and acknowledgement number with a smaller window and no newer timestamp.
    pub ambiguous: u64,
    /// Entries into zero window.
    pub zero_window_episodes: u64,
    /// Payload sent again by the server while the window was zero.
    pub retransmits_window_probe: u64,
    /// Payload sent again by the server otherwise.
    pub retransmits_open_window: u64,
    /// What was in flight at the last shrink to zero: from the acknowledgement that made it up to
    /// what had been sent.
    pub taken_back: Option<(u32, u32)>,
}

/// Reads `capture` and returns the counts of each peer (remote address and port) of `server`.
pub fn read(capture: &Path, server: SocketAddr) -> Result<BTreeMap<SocketAddr, Counts>> {
    let mut connections: BTreeMap<SocketAddr, Reading> = BTreeMap::new();
    for line in fields_of(capture)?.lines() {
        let segment = parse(line).with_context(|| format!("capture line: {line}"))?;
        if segment.source == server {
            connections
                .entry(segment.destination)
                .or_default()
                .sent(&segment);
        } else if segment.destination == server {
            connections
                .entry(segment.source)
                .or_default()
                .received(&segment);
        }
    }
    Ok(connections
        .into_iter()
        .map(|(peer, reading)| (peer, reading.counts))
        .collect())
}

const FIELDS: [&str; 13] = [
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.window_size_value",
    "tcp.flags",
    "tcp.len",
    "tcp.options.wscale.shift",
    "tcp.options.timestamp.tsval",
];
const MSS_FIELD: &str = "tcp.options.mss_val";

fn fields_of(capture: &Path) -> Result<String> {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(capture)
        .args(["-n", "-Y", "tcp", "-T", "fields", "-E", "separator=|"]);
    for field in FIELDS.iter().copied().chain([MSS_FIELD]) {
        command.args(["-e", field]);
    }
    let output = command
        .output()
        .context("run tshark (apt-get install tshark)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "tshark failed: {said}");
    String::from_utf8(output.stdout).context("tshark printed no text")
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    source: SocketAddr,
    destination: SocketAddr,
    seq: u32,
    ack: u32,
    window: u32,
    is_syn: bool,
    is_fin: bool,
    is_rst: bool,
    has_ack: bool,
    length: u32,
    shift: Option<u8>,
    timestamp: Option<u32>,
    mss: Option<u32>,
}

impl Segment {
    fn end(&self) -> u32 {
        self.seq
            .wrapping_add(self.length)
            .wrapping_add(u32::from(self.is_syn) + u32::from(self.is_fin))
    }
}

fn parse(line: &str) -> Result<Segment> {
    let words: Vec<&str> = line.split('|').collect();
    ensure!(words.len() == FIELDS.len() + 1, "{} fields", words.len());
    let address = |v4: usize, v6: usize, port: usize| -> Result<SocketAddr> {
        let text = if words[v4].is_empty() {
            words[v6]
        } else {
            words[v4]
        };
        let ip: IpAddr = text.parse().with_context(|| format!("address {text}"))?;
        Ok((ip, words[port].parse::<u16>()?).into())
    };
    let optional = |index: usize| words[index].parse::<u32>().ok();
    let flags = u32::from_str_radix(words[9].trim_start_matches("0x"), 16)?;
    Ok(Segment {
        source: address(0, 2, 4)?,
        destination: address(1, 3, 5)?,
        seq: words[6].parse()?,
        ack: words[7].parse()?,
        window: words[8].parse()?,
        is_fin: flags & 1 != 0,
        is_syn: flags & 2 != 0,
        is_rst: flags & 4 != 0,
        has_ack: flags & 16 != 0,
        length: words[10].parse()?,
        shift: optional(11).and_then(|shift| u8::try_from(shift).ok()),
        timestamp: optional(12),
        mss: optional(13),
    })
}

/// What is known of one connection while reading.
#[derive(Debug, Default)]
struct Reading {
    counts: Counts,
    peer_shift: Option<u8>,
    server_shift: Option<u8>,
    segment_bytes: u32,
    /// The server's side: highest byte sent plus one, first byte not acknowledged.
    sent_end: Option<u32>,
    acked: Option<u32>,
    /// What set the window last.
    window: u32,
    window_seq: u32,
    window_ack: u32,
    window_timestamp: Option<u32>,
    highest_edge: Option<u32>,
    last_edge: u32,
    is_in_episode: bool,
}

/// Distance from `b` to `a` on the circle of sequence numbers, positive if `a` comes later.
fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

impl Reading {
    fn sent(&mut self, segment: &Segment) {
        if segment.is_rst {
            return;
        }
        if segment.is_syn {
            self.server_shift = segment.shift;
            self.sent_end = Some(segment.end());
            self.acked = Some(segment.seq);
            return;
        }
        let Some(sent_end) = self.sent_end else {
            return;
        };
        if segment.length > 0 && distance(segment.end(), sent_end) <= 0 {
            // A zero-length probe is no retransmit: it carries nothing that was sent before.
            if self.window == 0 {
                self.counts.retransmits_window_probe += 1;
            } else {
                self.counts.retransmits_open_window += 1;
            }
        }
        if distance(segment.end(), sent_end) > 0 {
            self.sent_end = Some(segment.end());
        }
    }

    fn received(&mut self, segment: &Segment) {
        if segment.is_syn {
            self.peer_shift = segment.shift;
            self.segment_bytes =
                segment.mss.unwrap_or(536) - if segment.timestamp.is_some() { 12 } else { 0 };
            return;
        }
        if segment.is_rst || !segment.has_ack {
            return;
        }
        let (Some(sent_end), Some(acked)) = (self.sent_end, self.acked) else {
            return;
        };
        if distance(segment.ack, sent_end) > 0 || distance(segment.ack, acked) < 0 {
            return;
        }
        let window = segment.window << self.shift();
        let is_first = self.highest_edge.is_none();
        if is_first || self.is_newer(segment, window, acked) {
            self.take(segment, window, sent_end);
        }
        self.acked = Some(segment.ack);
    }

    /// Both sides must offer window scaling for it to be used.
    fn shift(&self) -> u8 {
        if self.server_shift.is_some() {
            self.peer_shift.unwrap_or(0).min(14)
        } else {
            0
        }
    }

    /// RFC 9293: the window is updated by a later sequence number, or the same with a later or
    /// the same acknowledgement. A smaller window with both the same may have been overtaken on
    /// the way; only a later timestamp tells.
    fn is_newer(&mut self, segment: &Segment, window: u32, acked: u32) -> bool {
        if distance(segment.ack, acked) > 0 || distance(segment.seq, self.window_seq) > 0 {
            return true;
        }
        if distance(segment.seq, self.window_seq) < 0 || segment.ack != self.window_ack {
            return false;
        }
        if window >= self.window || window == 0 {
            return window != self.window;
        }
        let is_later = match (segment.timestamp, self.window_timestamp) {
            (Some(now), Some(before)) => distance(now, before) > 0,
            _ => false,
        };
        self.counts.ambiguous += u64::from(!is_later);
        is_later
    }

    fn take(&mut self, segment: &Segment, window: u32, sent_end: u32) {
        let edge = segment.ack.wrapping_add(window);
        let highest = self.highest_edge.unwrap_or(edge);
        let is_left = self.highest_edge.is_some() && distance(edge, self.last_edge) < 0;
        let below = distance(highest, edge);
        if is_left && below > 0 {
            let bound = 1 << self.shift();
            if below < bound {
                self.counts.granularity += 1;
            } else if window == 0 && distance(sent_end, segment.ack) > 0 {
                self.counts.treason += 1;
                self.counts.taken_back = Some((segment.ack, sent_end));
            } else if distance(sent_end, edge) > 0 {
                self.counts.below_flight += 1;
            } else {
                self.counts.polite += 1;
            }
        }
        self.highest_edge = Some(if below < 0 { edge } else { highest });
        self.last_edge = edge;
        if window == 0 && !self.is_in_episode {
            self.is_in_episode = true;
            self.counts.zero_window_episodes += 1;
        } else if window >= self.segment_bytes {
            self.is_in_episode = false;
        }
        self.window = window;
        self.window_seq = segment.seq;
        self.window_ack = segment.ack;
        self.window_timestamp = segment.timestamp;
    }
}
