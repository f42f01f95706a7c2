//! A wire on which packets overtake each other and none is lost: a TUN device in each namespace, and
//! threads between that hold a packet back now and then.

use super::{Family, Lab, Tun, add_address};
use anyhow::{Context, Result};
use detector_lab::network::Addresses;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One of so many full segments is held back.
const ONE_OF: u32 = 40;
/// Longer than any round trip here, so that its sender takes it for lost.
const HELD_FOR: Duration = Duration::from_millis(20);
/// Less than a full segment, more than any other.
const FULL_BYTES: usize = 1_000;

/// The wire between the server's TUN addresses and those of the first crafted peer, which a kernel has
/// here. Gone when dropped.
#[derive(Debug)]
pub struct Reordering {
    is_over: Arc<AtomicBool>,
    pumps: Vec<JoinHandle<()>>,
}

impl Reordering {
    /// Lays it. Segments of the server are overtaken, their acknowledgements are not.
    pub fn lay(lab: &Lab) -> Result<Self> {
        let server = Arc::new(lab.open_tun()?);
        let client = Arc::new(lab.client.enter(|| {
            let tun = Tun::open(Lab::TUN)?;
            for (family, prefix) in [
                (Family::V4, Addresses::V4_PREFIX),
                (Family::V6, Addresses::V6_PREFIX),
            ] {
                add_address(Lab::TUN, lab.addresses.crafted(family, 0), prefix)?;
            }
            Ok(tun)
        })?);
        let mut wire = Self {
            is_over: Arc::default(),
            pumps: Vec::new(),
        };
        wire.pump(&server, &client, ONE_OF)?;
        wire.pump(&client, &server, u32::MAX)?;
        Ok(wire)
    }

    fn pump(&mut self, from: &Arc<Tun>, to: &Arc<Tun>, one_of: u32) -> Result<()> {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        let is_over = Arc::clone(&self.is_over);
        let pump = std::thread::Builder::new()
            .name("wire".to_owned())
            // A device that is gone ends it, too.
            .spawn(move || drop(pump(&from, &to, one_of, &is_over)))
            .context("start a thread of the wire")?;
        self.pumps.push(pump);
        Ok(())
    }
}

fn pump(from: &Tun, to: &Tun, one_of: u32, is_over: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; 65_536];
    let mut held: Option<(Vec<u8>, Instant)> = None;
    let mut full = 0_u32;
    while !is_over.load(Ordering::Relaxed) {
        if let Some(packet) = from.receive(&mut buffer, 2)? {
            full += u32::from(packet.len() >= FULL_BYTES);
            if full >= one_of && held.is_none() {
                full = 0;
                held = Some((packet.to_vec(), Instant::now()));
            } else {
                to.send(packet)?;
            }
        }
        if let Some((packet, _)) = held.take_if(|(_, since)| since.elapsed() >= HELD_FOR) {
            to.send(&packet)?;
        }
    }
    Ok(())
}

impl Drop for Reordering {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for pump in self.pumps.drain(..) {
            drop(pump.join());
        }
    }
}
