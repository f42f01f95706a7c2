//! The user-space host behind the TUN device: gives each arriving segment to its peer.

use super::shared::Shared;
use super::state::State;
use super::{Peer, Profile, Segment};
use crate::network::Tun;
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Peers = Arc<Mutex<HashMap<SocketAddr, Arc<Shared>>>>;

/// Reads the TUN device until dropped.
#[derive(Debug)]
pub struct Host {
    tun: Arc<Tun>,
    peers: Peers,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts reading `tun`.
    pub fn start(tun: Tun) -> Result<Self> {
        let tun = Arc::new(tun);
        let peers = Peers::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let reader = std::thread::Builder::new()
            .name("crafted host".to_owned())
            .spawn({
                let (tun, peers, is_over) =
                    (Arc::clone(&tun), Arc::clone(&peers), Arc::clone(&is_over));
                move || serve(&tun, &peers, &is_over)
            })
            .context("start the thread of the crafted host")?;
        Ok(Self {
            tun,
            peers,
            is_over,
            reader: Some(reader),
        })
    }

    /// Connects a new peer from `local` (address and port) to `server`.
    pub fn connect(&self, local: SocketAddr, server: SocketAddr, profile: Profile) -> Result<Peer> {
        let shared = self.add(State::new(local, server, profile, iss(local)))?;
        Peer::handshake(Arc::clone(&self.tun), shared)
    }

    /// A new peer that takes the next connection that somebody opens to `local`, and answers the SYN by
    /// itself.
    pub fn listen(&self, local: SocketAddr, profile: Profile) -> Result<Peer> {
        let shared = self.add(State::new(local, local, profile, iss(local)))?;
        Ok(Peer::waiting(Arc::clone(&self.tun), shared))
    }

    fn add(&self, state: State) -> Result<Arc<Shared>> {
        let local = state.local;
        let shared = Arc::new(Shared::new(state));
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(
            !peers.contains_key(&local),
            "a crafted peer already uses {local}"
        );
        peers.insert(local, Arc::clone(&shared));
        Ok(shared)
    }
}

/// Any number does; one near the end makes sequence numbers wrap in longer stories.
fn iss(local: SocketAddr) -> u32 {
    0xffff_f000_u32.wrapping_add(u32::from(local.port()))
}

fn serve(tun: &Tun, peers: &Peers, is_over: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !is_over.load(Ordering::Relaxed) {
        // The device goes away with its namespace; then there is nobody left to serve.
        let Ok(packet) = tun.receive(&mut buffer, 50) else {
            return;
        };
        let Some(segment) = packet.and_then(Segment::parse) else {
            continue;
        };
        let table = peers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shared) = table.get(&segment.destination).cloned() else {
            continue;
        };
        drop(table);
        let mut state = shared.lock();
        let answer = state.receive(&segment);
        if let Some(answer) = answer.and_then(|answer| answer.to_packet().ok())
            && tun.send(&answer).is_err()
        {
            return;
        }
        drop(state);
        shared.changed.notify_all();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}
