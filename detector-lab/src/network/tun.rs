//! A TUN device: packets the server namespace routes to it come out of a file, packets written to
//! the file enter its stack.

use super::address::{Addresses, Family};
use super::interface::{add_address, bring_up, request, set_queue};
use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

/// `TUNSETIFF`, `_IOW('T', 202, int)`.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
nix::ioctl_write_ptr_bad!(attach, TUNSETIFF, libc::ifreq);

/// More than all peers behind a device offer together: a reader that has to wait for a processor loses
/// nothing.
const QUEUE_PACKETS: i32 = 10_000;

/// An open TUN device in the namespace of the thread that opened it; gone when dropped.
#[derive(Debug)]
pub struct Tun {
    file: File,
    name: String,
}

impl Tun {
    /// Makes the device `name` and sets it up, without an address.
    pub fn open(name: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .context("open /dev/net/tun (is the tun module loaded?)")?;
        let mut request = request(name)?;
        request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI)?;
        // SAFETY: the request lives across the call and is the struct this ioctl reads.
        unsafe { attach(file.as_raw_fd(), &raw const request) }
            .with_context(|| format!("make TUN device {name}"))?;
        // A crafted peer says nothing of what was lost, and its sender would take minutes to find out.
        set_queue(name, QUEUE_PACKETS)?;
        bring_up(name)?;
        Ok(Self {
            file,
            name: name.to_owned(),
        })
    }

    /// Name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends one IP packet into the namespace.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        (&self.file)
            .write_all(packet)
            .context("write a packet to the TUN device")
    }

    /// Receives one IP packet into `buffer`; `None` if none came within `patience_ms`.
    pub fn receive<'b>(&self, buffer: &'b mut [u8], patience_ms: u16) -> Result<Option<&'b [u8]>> {
        let mut ready = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(patience_ms)).context("wait for a packet")? == 0 {
            return Ok(None);
        }
        let length = (&self.file)
            .read(buffer)
            .context("read a packet from the TUN device")?;
        Ok(Some(&buffer[..length]))
    }
}

/// A TUN device in the namespace of this thread with the server's addresses on it.
pub fn tun_with_addresses(name: &str, addresses: &Addresses) -> Result<Tun> {
    let tun = Tun::open(name)?;
    add_address(name, addresses.tun_server(Family::V4), Addresses::V4_PREFIX)?;
    add_address(name, addresses.tun_server(Family::V6), Addresses::V6_PREFIX)?;
    Ok(tun)
}
