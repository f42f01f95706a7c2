//! Interface addresses and flags by ioctl, so that a static program needs no `ip`.

use crate::expect::{self, PATIENCE};
use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};
use std::ffi::{c_char, c_int};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFADDR, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_netmask, libc::SIOCSIFNETMASK, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_mtu_of, libc::SIOCSIFMTU, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_queue_of, libc::SIOCSIFTXQLEN, libc::ifreq);
nix::ioctl_read_bad!(get_index, libc::SIOCGIFINDEX, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_address_v6, libc::SIOCSIFADDR, libc::in6_ifreq);

/// An `ifreq` for `interface` with nothing else in it.
pub(super) fn request(interface: &str) -> Result<libc::ifreq> {
    ensure!(
        interface.len() < libc::IFNAMSIZ,
        "interface name {interface} is too long"
    );
    // SAFETY: ifreq is a C struct of integers and arrays, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *slot = c_char::from_ne_bytes([byte]);
    }
    Ok(request)
}

nix::ioctl_write_ptr_bad!(ethtool, libc::SIOCETHTOOL, libc::ifreq);

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

/// Switches off TSO, GSO and GRO, so that the segments of a capture are those TCP made.
pub fn disable_offloads(interface: &str) -> Result<()> {
    // ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO.
    for command in [0x1f, 0x24, 0x2c] {
        let mut setting = EthtoolValue { command, value: 0 };
        let mut request = request(interface)?;
        request.ifr_ifru.ifru_data = (&raw mut setting).cast();
        let socket = control_socket(Domain::IPV4)?;
        // SAFETY: the request and the setting it points to live across the call.
        unsafe { ethtool(socket.as_raw_fd(), &raw const request) }
            .with_context(|| format!("switch off offload {command:#x} of {interface}"))?;
    }
    Ok(())
}

fn control_socket(domain: Domain) -> Result<Socket> {
    Socket::new(domain, Type::DGRAM, None).context("open a socket for interface requests")
}

/// Sets `interface` up.
pub fn bring_up(interface: &str) -> Result<()> {
    let mut request = request(interface)?;
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = i16::try_from(flags)?;
    let socket = control_socket(Domain::IPV4)?;
    // SAFETY: the request lives across the call and is the struct this ioctl reads.
    unsafe { set_flags(socket.as_raw_fd(), &raw const request) }
        .with_context(|| format!("set {interface} up"))?;
    Ok(())
}

/// Lets `interface` carry packets of up to `bytes`.
pub fn set_mtu(interface: &str, bytes: u16) -> Result<()> {
    let mut request = request(interface)?;
    request.ifr_ifru.ifru_mtu = bytes.into();
    let socket = control_socket(Domain::IPV4)?;
    // SAFETY: the request lives across the call and is the struct this ioctl reads.
    unsafe { set_mtu_of(socket.as_raw_fd(), &raw const request) }
        .with_context(|| format!("set the MTU of {interface}"))?;
    Ok(())
}

/// Lets so many packets wait in `interface`.
pub(super) fn set_queue(interface: &str, packets: c_int) -> Result<()> {
    let mut request = request(interface)?;
    // `ifr_qlen` is the same member of the union, by another name.
    request.ifr_ifru.ifru_metric = packets;
    let socket = control_socket(Domain::IPV4)?;
    // SAFETY: the request lives across the call and is the struct this ioctl reads.
    unsafe { set_queue_of(socket.as_raw_fd(), &raw const request) }
        .with_context(|| format!("set the queue of {interface}"))?;
    Ok(())
}

/// Adds `address` to `interface`; its network becomes reachable through it. A second IPv4 address
/// needs an alias name such as `lo:1`.
pub fn add_address(interface: &str, address: IpAddr, prefix: u8) -> Result<()> {
    match address {
        IpAddr::V4(address) => add_v4(interface, address, prefix),
        IpAddr::V6(address) => add_v6(interface, address, prefix),
    }
    .with_context(|| format!("add {address}/{prefix} to {interface}"))
}

fn add_v4(interface: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    let mut request = request(interface)?;
    let socket = control_socket(Domain::IPV4)?;
    request.ifr_ifru.ifru_addr = socket_address(address);
    // SAFETY: the request lives across the call and is the struct this ioctl reads.
    unsafe { set_address(socket.as_raw_fd(), &raw const request) }?;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    request.ifr_ifru.ifru_netmask = socket_address(Ipv4Addr::from(mask));
    // SAFETY: as above.
    unsafe { set_netmask(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}

/// `libc::AF_INET` in the type that addresses use.
const AF_INET: libc::sa_family_t = 2;

/// `sockaddr_in` in the shape of a `sockaddr`: two bytes port, then the address.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut bytes = [0; 14];
    for (slot, byte) in bytes[2..6].iter_mut().zip(address.octets()) {
        *slot = c_char::from_ne_bytes([byte]);
    }
    libc::sockaddr {
        sa_family: AF_INET,
        sa_data: bytes,
    }
}

fn add_v6(interface: &str, address: Ipv6Addr, prefix: u8) -> Result<()> {
    let socket = control_socket(Domain::IPV6)?;
    let request = libc::in6_ifreq {
        ifr6_addr: libc::in6_addr {
            s6_addr: address.octets(),
        },
        ifr6_prefixlen: prefix.into(),
        ifr6_ifindex: index_of(interface)?,
    };
    // SAFETY: the request lives across the call and is the struct this ioctl reads.
    unsafe { set_address_v6(socket.as_raw_fd(), &raw const request) }?;
    expect::until("the address is usable", PATIENCE, || is_usable(address))
}

/// The kernel looks for duplicates in a work queue, even where it has nobody to ask.
fn is_usable(address: Ipv6Addr) -> Result<Option<()>> {
    const IFA_F_TENTATIVE: u32 = 0x40;
    let list = "/proc/thread-self/net/if_inet6";
    let text = std::fs::read_to_string(list).with_context(|| format!("read {list}"))?;
    let wanted = format!("{:032x}", u128::from(address));
    let Some(line) = text.lines().find(|line| line.starts_with(&wanted)) else {
        return Ok(None);
    };
    let flags = line.split_whitespace().nth(4).unwrap_or_default();
    let flags = u32::from_str_radix(flags, 16).with_context(|| format!("flags in {line}"))?;
    Ok((flags & IFA_F_TENTATIVE == 0).then_some(()))
}

fn index_of(interface: &str) -> Result<c_int> {
    let mut request = request(interface)?;
    let socket = control_socket(Domain::IPV4)?;
    // SAFETY: the request lives across the call and is the struct this ioctl fills.
    unsafe { get_index(socket.as_raw_fd(), &raw mut request) }?;
    // SAFETY: the ioctl succeeded, so the kernel has written the index into the union.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex })
}
