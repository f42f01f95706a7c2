//! One TCP segment, to and from the bytes of an IP packet.

use anyhow::{Context, Result, bail};
use etherparse::{PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice};
use std::net::{IpAddr, SocketAddr};

/// The parts of a segment that scripts care about.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; `None` without the ACK bit.
    pub ack: Option<u32>,
    /// Window field as it is on the wire, unscaled.
    pub window: u16,
    /// SYN bit.
    pub is_syn: bool,
    /// FIN bit.
    pub is_fin: bool,
    /// RST bit.
    pub is_rst: bool,
    /// Timestamp value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// Maximum segment size (SYN only).
    pub mss: Option<u16>,
    /// Window scale (SYN only).
    pub shift: Option<u8>,
    /// Options as they are, instead of those of the fields above.
    pub raw_options: Option<Vec<u8>>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Segment {
    /// An empty segment with nothing set.
    #[must_use]
    pub const fn new(source: SocketAddr, destination: SocketAddr, seq: u32) -> Self {
        Self {
            source,
            destination,
            seq,
            ack: None,
            window: 0,
            is_syn: false,
            is_fin: false,
            is_rst: false,
            timestamps: None,
            mss: None,
            shift: None,
            raw_options: None,
            payload: Vec::new(),
        }
    }

    /// Sequence number after the last byte; SYN and FIN count one each.
    #[must_use]
    pub fn end_seq(&self) -> u32 {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        self.seq
            .wrapping_add(length)
            .wrapping_add(u32::from(self.is_syn))
            .wrapping_add(u32::from(self.is_fin))
    }

    /// Reads an IP packet; `None` if it is not TCP.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ip(packet).ok()?;
        let (source, destination): (IpAddr, IpAddr) = match sliced.net? {
            etherparse::NetSlice::Ipv4(ip) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            etherparse::NetSlice::Ipv6(ip) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            _ => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            return None;
        };
        let mut segment = Self::new(
            (source, tcp.source_port()).into(),
            (destination, tcp.destination_port()).into(),
            tcp.sequence_number(),
        );
        segment.ack = tcp.ack().then(|| tcp.acknowledgment_number());
        segment.window = tcp.window_size();
        segment.is_syn = tcp.syn();
        segment.is_fin = tcp.fin();
        segment.is_rst = tcp.rst();
        segment.payload = tcp.payload().to_vec();
        for option in tcp.options_iterator().flatten() {
            match option {
                TcpOptionElement::Timestamp(value, echo) => {
                    segment.timestamps = Some((value, echo))
                }
                TcpOptionElement::MaximumSegmentSize(bytes) => segment.mss = Some(bytes),
                TcpOptionElement::WindowScale(shift) => segment.shift = Some(shift),
                _ => {}
            }
        }
        Some(segment)
    }

    /// The IP packet.
    pub fn to_packet(&self) -> Result<Vec<u8>> {
        let ip = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                PacketBuilder::ipv6(source.octets(), destination.octets(), 64)
            }
            _ => bail!(
                "{} and {} are of different families",
                self.source,
                self.destination
            ),
        };
        let mut tcp = ip.tcp(
            self.source.port(),
            self.destination.port(),
            self.seq,
            self.window,
        );
        if let Some(ack) = self.ack {
            tcp = tcp.ack(ack);
        }
        if self.is_syn {
            tcp = tcp.syn();
        }
        if self.is_fin {
            tcp = tcp.fin();
        }
        if self.is_rst {
            tcp = tcp.rst();
        }
        if !self.payload.is_empty() {
            tcp = tcp.psh();
        }
        let tcp = match &self.raw_options {
            Some(options) => tcp.options_raw(options),
            None => tcp.options(&self.options()),
        };
        let tcp = tcp.context("TCP options do not fit")?;
        let mut packet = Vec::with_capacity(tcp.size(self.payload.len()));
        tcp.write(&mut packet, &self.payload)
            .context("write the packet")?;
        Ok(packet)
    }

    fn options(&self) -> Vec<TcpOptionElement> {
        let mut options = Vec::new();
        if let Some(bytes) = self.mss {
            options.push(TcpOptionElement::MaximumSegmentSize(bytes));
        }
        if let Some(shift) = self.shift {
            options.extend([TcpOptionElement::Noop, TcpOptionElement::WindowScale(shift)]);
        }
        if let Some((value, echo)) = self.timestamps {
            // The order every stack uses, which fast paths expect.
            options.extend([
                TcpOptionElement::Noop,
                TcpOptionElement::Noop,
                TcpOptionElement::Timestamp(value, echo),
            ]);
        }
        options
    }
}
