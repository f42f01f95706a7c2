//! Connections of crafted peers, thousands at once: opened, answered, reset.

use anyhow::{Context, Result, ensure};
use detector_lab::network::{Tun, add_address};
use detector_lab::peers::crafted::Segment;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PREFIX: u8 = 9;
const REQUEST: &[u8] = b"GET /huge HTTP/1.1\r\nHost: server\r\n\r\n";
/// Of SYN and request: the server is stalled with little in flight.
const FIRST_WINDOW: u16 = 2_000;
const MSS: u16 = 1_000;
/// Handshakes at a time: below any server's backlog.
const OPENING: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection, from the peer's side.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    pub(crate) local: SocketAddrV4,
    pub(crate) snd_nxt: u32,
    /// Next sequence number of the server's, and the first of its data.
    pub(crate) rcv_nxt: u32,
    pub(crate) data_begin: u32,
    /// Whether its first window is full.
    pub(crate) is_full: bool,
}

/// What the server says to a connection.
pub(crate) enum Arrival {
    /// The first window is full now.
    Full(Connection),
    /// Data, new or again, or a probe.
    More(Connection),
    /// Nothing of these.
    Other,
}

pub(crate) struct Storm {
    pub(crate) tun: Tun,
    network: Ipv4Addr,
    server: SocketAddrV4,
    connections: HashMap<SocketAddr, Connection>,
    buffer: Vec<u8>,
    is_over: Arc<AtomicBool>,
    pub(crate) sent: u64,
    pub(crate) shrinks: u64,
    pub(crate) episodes: u64,
}

impl Storm {
    pub(crate) fn new(device: &str, network: Ipv4Addr, server: SocketAddrV4) -> Result<Self> {
        let tun = Tun::open(device)?;
        add_address(device, network.into(), PREFIX)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        std::thread::spawn(move || {
            // However it ends, it is the end.
            let _ended = std::io::stdin().read_to_end(&mut Vec::new());
            ends.store(true, Ordering::Relaxed);
        });
        Ok(Self {
            tun,
            network,
            server,
            connections: HashMap::new(),
            buffer: vec![0; 65_536],
            is_over,
            sent: 0,
            shrinks: 0,
            episodes: 0,
        })
    }

    /// Opens connections, a few at a time; `place` says which peer and port the next has, and `then`
    /// what is done once its first window is full.
    pub(crate) fn open(
        &mut self,
        count: u32,
        place: impl Fn(u32) -> (u32, u32),
        mut then: impl FnMut(&mut Self, &Connection) -> Result<()>,
    ) -> Result<()> {
        let (mut begun, mut done) = (0, 0);
        let mut progress = Instant::now();
        while done < count {
            while begun < count && begun - done < OPENING {
                let (peer, port) = place(begun);
                self.syn(self.address(peer, u16::try_from(port)?))?;
                begun += 1;
            }
            match self.receive(100)? {
                Some(Arrival::Full(connection)) => {
                    then(self, &connection)?;
                    done += 1;
                    progress = Instant::now();
                }
                Some(Arrival::More(connection)) if connection.is_full => {
                    self.acknowledge(&connection, connection.rcv_nxt, 0)?;
                }
                Some(_) => {}
                None => {
                    ensure!(progress.elapsed() < PATIENCE, "only {done} of {count}");
                    self.ask_again()?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn open_one(&mut self, peer: u32) -> Result<Connection> {
        let mut opened = None;
        self.open(
            1,
            |_| (peer, 10_000),
            |_, connection| {
                opened = Some(*connection);
                Ok(())
            },
        )?;
        opened.context("no connection")
    }

    /// Opens once more what has had no answer.
    pub(crate) fn ask_again(&mut self) -> Result<()> {
        let unanswered = self.connections.values().filter(|each| each.rcv_nxt == 0);
        for local in unanswered.map(|each| each.local).collect::<Vec<_>>() {
            self.syn(local)?;
        }
        Ok(())
    }

    pub(crate) fn syn(&mut self, local: SocketAddrV4) -> Result<()> {
        let connection = Connection {
            local,
            snd_nxt: 1_000,
            rcv_nxt: 0,
            data_begin: 0,
            is_full: false,
        };
        let mut segment = self.segment(&connection);
        segment.is_syn = true;
        segment.window = FIRST_WINDOW;
        segment.mss = Some(MSS);
        self.connections.insert(local.into(), connection);
        self.send(&segment)
    }

    /// Takes in what the server sends next, if it comes within the patience; a SYN is answered with the
    /// request.
    pub(crate) fn receive(&mut self, patience_ms: u16) -> Result<Option<Arrival>> {
        let Some(packet) = self.tun.receive(&mut self.buffer, patience_ms)? else {
            return Ok(None);
        };
        let Some(segment) = Segment::parse(packet) else {
            return Ok(Some(Arrival::Other));
        };
        let Some(connection) = self.connections.get_mut(&segment.destination) else {
            return Ok(Some(Arrival::Other));
        };
        if segment.is_syn {
            // Again if the first request was lost.
            if connection.rcv_nxt == connection.data_begin {
                connection.rcv_nxt = segment.end_seq();
                connection.data_begin = connection.rcv_nxt;
                let mut asking = *connection;
                asking.snd_nxt = segment.ack.context("a SYN without ACK")?;
                let mut request = self.segment(&asking);
                request.ack = Some(asking.rcv_nxt);
                request.window = FIRST_WINDOW;
                request.payload = REQUEST.to_vec();
                asking.snd_nxt = request.end_seq();
                self.connections.insert(segment.destination, asking);
                self.send(&request)?;
            }
            return Ok(Some(Arrival::Other));
        }
        if connection.rcv_nxt == 0 {
            // The server still has one of an earlier storm, and tells where it stands.
            let mut reset = Segment::new(segment.destination, segment.source, 0);
            reset.seq = segment.ack.unwrap_or_default();
            reset.is_rst = true;
            self.send(&reset)?;
            return Ok(Some(Arrival::Other));
        }
        if segment.seq == connection.rcv_nxt {
            if segment.payload.is_empty() {
                return Ok(Some(Arrival::Other));
            }
            connection.rcv_nxt = segment.end_seq();
        } else if !connection.is_full {
            // A segment was lost on the way, and the server sends the first again for ever.
            let (standing, edge) = (*connection, u32::from(FIRST_WINDOW));
            let arrived = standing.rcv_nxt.wrapping_sub(standing.data_begin);
            let window = u16::try_from(edge.saturating_sub(arrived))?;
            self.acknowledge(&standing, standing.rcv_nxt, window)?;
            return Ok(Some(Arrival::Other));
        }
        let arrived = connection.rcv_nxt.wrapping_sub(connection.data_begin);
        if !connection.is_full && arrived + u32::from(MSS) > u32::from(FIRST_WINDOW) {
            connection.is_full = true;
            return Ok(Some(Arrival::Full(*connection)));
        }
        Ok(Some(Arrival::More(*connection)))
    }

    /// Takes back what is left of the first window, too.
    pub(crate) fn close_window(&mut self, connection: &Connection) -> Result<()> {
        self.episodes += 1;
        self.shrinks += 1;
        self.acknowledge(connection, connection.rcv_nxt, 0)
    }

    pub(crate) fn reset(&mut self, connection: &Connection) -> Result<()> {
        self.connections.remove(&connection.local.into());
        let mut segment = self.segment(connection);
        segment.is_rst = true;
        self.send(&segment)
    }

    pub(crate) fn reset_all(&mut self) -> Result<()> {
        let left: Vec<Connection> = self.connections.values().copied().collect();
        left.iter()
            .try_for_each(|connection| self.reset(connection))
    }

    pub(crate) fn acknowledge(
        &mut self,
        connection: &Connection,
        ack: u32,
        window: u16,
    ) -> Result<()> {
        self.sent += 1;
        self.tun.send(&self.packet(connection, ack, window)?)
    }

    pub(crate) fn packet(&self, connection: &Connection, ack: u32, window: u16) -> Result<Vec<u8>> {
        let mut segment = self.segment(connection);
        segment.ack = Some(ack);
        segment.window = window;
        segment.to_packet()
    }

    pub(crate) fn send(&mut self, segment: &Segment) -> Result<()> {
        self.sent += 1;
        self.tun.send(&segment.to_packet()?)
    }

    pub(crate) fn segment(&self, connection: &Connection) -> Segment {
        let (local, server) = (connection.local.into(), self.server.into());
        Segment::new(local, server, connection.snd_nxt)
    }

    pub(crate) fn address(&self, peer: u32, port: u16) -> SocketAddrV4 {
        // The device has the first.
        SocketAddrV4::new(Ipv4Addr::from_bits(self.network.to_bits() + 1 + peer), port)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn say_ready(&self, what: &str) -> Result<()> {
        writeln!(std::io::stderr(), "ready: {what}")?;
        Ok(())
    }
}
