//! Controls one crafted peer: what a play has it do.

use super::shared::Shared;
use super::state::{Offer, State};
use super::{Policy, Seen};
use crate::expect::PATIENCE;
use crate::network::Tun;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// A connected crafted peer. Dropping it leaves the server without any answer.
#[derive(Debug)]
pub struct Peer {
    tun: Arc<Tun>,
    shared: Arc<Shared>,
}

impl Peer {
    pub(super) fn handshake(tun: Arc<Tun>, shared: Arc<Shared>) -> Result<Self> {
        let peer = Self { tun, shared };
        let mut state = peer.shared.lock();
        let syn = state.syn();
        let window = state.profile.window;
        peer.tun.send(&syn.to_packet()?)?;
        state.snd_nxt = syn.end_seq();
        drop(state);
        peer.wait("the server answers the SYN", |state| {
            state.data_begin.is_some()
        })?;
        peer.say().window(window).send()?;
        Ok(peer)
    }

    pub(super) const fn waiting(tun: Arc<Tun>, shared: Arc<Shared>) -> Self {
        Self { tun, shared }
    }

    /// Address and port of the peer.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.lock().local
    }

    /// Sends `payload`, with the standing offer.
    pub fn send(&self, payload: &[u8]) -> Result<()> {
        self.say().payload(payload).send()
    }

    /// Asks for `path` by HTTP/1.1.
    pub fn request(&self, path: &str) -> Result<()> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: server\r\n\r\n").as_bytes())
    }

    /// Sends data until the server has no room for more, as one that does not read has in the end.
    pub fn fill(&self) -> Result<()> {
        const SEGMENT: usize = 8_000;
        loop {
            self.wait("the server has acknowledged what was sent", |state| {
                state.remote_ack == state.snd_nxt
            })?;
            let state = self.shared.lock();
            let room = state.remote_edge.wrapping_sub(state.snd_nxt);
            drop(state);
            if room == 0 {
                return Ok(());
            }
            let room = usize::try_from(room)?;
            self.send(&[b'x'; SEGMENT][..SEGMENT.min(room)])?;
        }
    }

    /// Sets what happens to segments that arrive while the script does something else.
    pub fn policy(&self, policy: Policy) {
        self.shared.lock().policy = policy;
    }

    /// Begins a segment: by default with the standing offer and no payload.
    pub fn say(&self) -> Outgoing<'_> {
        Outgoing {
            peer: self,
            acked_bytes: None,
            raw_window: None,
            seq_offset: 0,
            payload: Vec::new(),
            age: None,
            is_fin: false,
            is_rst: false,
            is_damaged: false,
        }
    }

    /// What the server has sent so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.shared.lock().seen
    }

    /// When it last acknowledged something new.
    #[must_use]
    pub fn progress_at(&self) -> Instant {
        self.shared.lock().progress_at()
    }

    /// Waits until `bytes` of the server's data have arrived in order.
    pub fn wait_bytes(&self, bytes: u64) -> Result<()> {
        self.wait(&format!("{bytes} bytes have arrived"), |state| {
            state.seen.bytes >= bytes
        })
        .with_context(|| format!("{:?}", self.seen()))
    }

    /// Waits until `is_met` of what was seen.
    pub fn wait_seen(&self, what: &str, is_met: impl Fn(&Seen) -> bool) -> Result<()> {
        self.wait(what, |state| is_met(&state.seen))
            .with_context(|| format!("{:?}", self.seen()))
    }

    /// Waits until the server has sent nothing new for `quiet`, and returns the bytes received.
    ///
    /// Says when a sender has filled the window or its congestion window.
    pub fn wait_quiet(&self, quiet: Duration) -> Result<u64> {
        let started = Instant::now();
        let mut state = self.shared.lock();
        loop {
            let before = state.seen.bytes;
            let since = Instant::now();
            while state.seen.bytes == before && since.elapsed() < quiet {
                let left = quiet.saturating_sub(since.elapsed());
                state = self.wait_once(state, left);
            }
            if state.seen.bytes == before {
                return Ok(before);
            }
            ensure!(started.elapsed() < PATIENCE, "the server never paused");
        }
    }

    /// Waits until the peer's own offer is a window of zero: the last bytes may need the sender's
    /// persist timer, which cuts a segment to what is left.
    pub fn wait_closed(&self) -> Result<()> {
        self.wait("the peer's window is zero", |state| {
            state.offer.raw_window == 0
        })
    }

    /// Acknowledges data as it comes, each time with `window` bytes, until `bytes` have arrived,
    /// and goes on doing so.
    pub fn drain(&self, bytes: u64, window: u32) -> Result<()> {
        self.policy(Policy::Drain { window });
        // What arrived before the policy was set is acknowledged now.
        let arrived = self.seen().bytes;
        self.say().ack(arrived).window(window).send()?;
        self.wait_bytes(bytes)
    }

    fn wait(&self, what: &str, is_met: impl Fn(&State) -> bool) -> Result<()> {
        let started = Instant::now();
        let mut state = self.shared.lock();
        while !is_met(&state) {
            let left = PATIENCE.saturating_sub(started.elapsed());
            ensure!(!left.is_zero(), "waited {PATIENCE:?} in vain until {what}");
            state = self.wait_once(state, left);
        }
        Ok(())
    }

    fn wait_once<'s>(
        &self,
        state: std::sync::MutexGuard<'s, State>,
        left: Duration,
    ) -> std::sync::MutexGuard<'s, State> {
        let waited = self.shared.changed.wait_timeout(state, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A segment in the making. Acknowledgement and window become the peer's standing offer.
#[derive(Debug)]
#[must_use = "a segment must be sent"]
pub struct Outgoing<'p> {
    peer: &'p Peer,
    acked_bytes: Option<u64>,
    raw_window: Option<WindowField>,
    seq_offset: i32,
    payload: Vec<u8>,
    age: Option<u32>,
    is_fin: bool,
    is_rst: bool,
    is_damaged: bool,
}

#[derive(Clone, Copy, Debug)]
enum WindowField {
    Bytes(u32),
    Raw(u16),
}

impl Outgoing<'_> {
    /// Acknowledges the first `bytes` of the server's data.
    pub const fn ack(mut self, bytes: u64) -> Self {
        self.acked_bytes = Some(bytes);
        self
    }

    /// Offers `bytes`, which must be a multiple of `2^shift`.
    pub const fn window(mut self, bytes: u32) -> Self {
        self.raw_window = Some(WindowField::Bytes(bytes));
        self
    }

    /// Sets the window field itself.
    pub const fn raw_window(mut self, field: u16) -> Self {
        self.raw_window = Some(WindowField::Raw(field));
        self
    }

    /// Moves the sequence number away from where it should be.
    pub const fn seq_offset(mut self, bytes: i32) -> Self {
        self.seq_offset = bytes;
        self
    }

    /// Carries data.
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.payload = bytes.to_vec();
        self
    }

    /// With a timestamp of `ticks` ago, which stands in front of two NOPs instead of behind.
    pub const fn from_the_past(mut self, ticks: u32) -> Self {
        self.age = Some(ticks);
        self
    }

    /// With FIN.
    pub const fn fin(mut self) -> Self {
        self.is_fin = true;
        self
    }

    /// With RST.
    pub const fn rst(mut self) -> Self {
        self.is_rst = true;
        self
    }

    /// With a checksum that is wrong: it arrives, and says nothing.
    pub const fn damaged(mut self) -> Self {
        self.is_damaged = true;
        self
    }

    /// Sends it.
    pub fn send(self) -> Result<()> {
        let mut state = self.peer.shared.lock();
        let data_begin = state.data_begin.context("the peer is not connected")?;
        let mut offer = state.offer;
        if let Some(bytes) = self.acked_bytes {
            offer.ack = data_begin.wrapping_add(u32::try_from(bytes)?);
        } else if offer.ack == 0 {
            offer.ack = data_begin;
        }
        match self.raw_window {
            Some(WindowField::Raw(field)) => offer.raw_window = field,
            Some(WindowField::Bytes(bytes)) => {
                let shift = state.profile.effective_shift();
                let field = u16::try_from(bytes >> shift)?;
                ensure!(
                    u32::from(field) << shift == bytes,
                    "a window of {bytes} bytes cannot be said with shift {shift}"
                );
                offer.raw_window = field;
            }
            None => {}
        }
        self.transmit(&mut state, offer)
    }

    fn transmit(&self, state: &mut State, offer: Offer) -> Result<()> {
        let is_in_place = self.seq_offset == 0 && !self.is_damaged && self.age.is_none();
        if is_in_place && !self.is_rst {
            state.set_offer(offer);
        }
        let mut segment = state.blank();
        segment.seq = segment.seq.wrapping_add_signed(self.seq_offset);
        segment.ack = Some(offer.ack);
        segment.window = offer.raw_window;
        segment.payload.clone_from(&self.payload);
        segment.is_fin = self.is_fin;
        segment.is_rst = self.is_rst;
        if let Some(ticks) = self.age {
            segment.raw_options = Some(odd_timestamp(state.timestamp().wrapping_sub(ticks)));
        }
        let mut packet = segment.to_packet()?;
        if self.is_damaged {
            let last = packet.last_mut().context("an empty packet")?;
            *last ^= 0xff;
        }
        self.peer.tun.send(&packet)?;
        if is_in_place {
            state.snd_nxt = segment.end_seq();
        }
        Ok(())
    }
}

/// Kind, length, value, an echo of nothing, and two NOPs behind, where others put them in front.
fn odd_timestamp(value: u32) -> Vec<u8> {
    let mut options = vec![8, 10];
    options.extend(value.to_be_bytes());
    options.extend([0, 0, 0, 0, 1, 1]);
    options
}
