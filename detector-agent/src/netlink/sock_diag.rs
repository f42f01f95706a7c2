//! Lists, queries and closes sockets through the kernel's socket diagnosis (`sock_diag(7)`).
//!
//! A socket is closed by its cookie, never by its addresses alone: those may belong to another
//! connection meanwhile, or, once it is gone, to the listener behind it.

mod dump;
mod namespaces;

pub(crate) use dump::Seen;
pub(crate) use namespaces::{Namespaces, NoAnswer};

use super::{Netlink, Payload, Request, attribute, flag, u32_at, u64_at};
use rustix::io::Errno;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `INET_DIAG_INFO` and `INET_DIAG_SKMEMINFO`: also the numbers of their bits, counted from 1.
const INFO: u16 = 2;
const SOCKET_MEMORY: u16 = 7;
/// `SK_MEMINFO_RMEM_ALLOC` and so on, indices of numbers of four bytes.
const RMEM_ALLOC: usize = 0;
const FORWARD_ALLOC: usize = 4;
const WMEM_QUEUED: usize = 5;
/// `tcpi_bytes_acked` in `struct tcp_info`, from Linux 4.1 on.
const BYTES_ACKED_AT: usize = 120;
/// `tcpi_bytes_received`, and `tcpi_data_segs_in` from Linux 4.6 on.
const BYTES_RECEIVED_AT: usize = 128;
const SEGMENTS_RECEIVED_AT: usize = 152;
/// `tcpi_snd_wnd`, from Linux 5.4 on.
const WINDOW_AT: usize = 228;
/// `struct inet_diag_msg`.
const MESSAGE_BYTES: usize = 72;
const TIME_WAIT: u8 = 6;
const NEW_SYN_RECEIVED: u8 = 12;
/// Stands for any cookie.
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// A socket as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    cookie: [u8; 8],
    /// As in `net/tcp_states.h`.
    pub(crate) state: u8,
    /// Written and not acknowledged.
    pub(crate) queued_bytes: u32,
    /// 0 once no process holds it.
    pub(crate) inode: u32,
    /// `sk_wmem_queued`.
    pub(crate) pinned_bytes: Option<u32>,
    /// Acknowledged since the connection began.
    pub(crate) bytes_acked: Option<u64>,
    /// Received since then, and in how many segments.
    received: Option<(u64, u32)>,
    /// The peer's window, in bytes.
    window: Option<u32>,
}

impl Found {
    /// Whether both are one socket.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.cookie == other.cookie
    }

    #[cfg(test)]
    pub(crate) const fn sample(state: u8, queued_bytes: u32, inode: u32, bytes_acked: u64) -> Self {
        Self {
            cookie: [1; 8],
            state,
            queued_bytes,
            inode,
            pinned_bytes: Some(queued_bytes),
            bytes_acked: Some(bytes_acked),
            received: None,
            window: None,
        }
    }
}

/// A socket of a listing, with what it takes of TCP's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// IPv4-mapped folded.
    pub(crate) local: SocketAddr,
    /// As in `net/tcp_states.h`.
    pub(crate) state: u8,
    /// 0 once no process holds it, and before one has accepted it.
    pub(crate) inode: u32,
    /// `sk_rmem_alloc`.
    pub(crate) receive_bytes: u64,
    /// `sk_wmem_queued`.
    pub(crate) send_bytes: u64,
    /// `sk_forward_alloc`: taken ahead for either queue.
    pub(crate) spare_bytes: u64,
}

/// The ends of a connection, IPv4-mapped folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// The diagnosis of one network namespace: that of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Diagnosis(Netlink);

impl Diagnosis {
    /// Opens it.
    pub(crate) fn open() -> io::Result<Self> {
        Netlink::open(Some(rustix::net::netlink::SOCK_DIAG)).map(Self)
    }

    /// The socket with these ends; `None` if there is none.
    pub(crate) fn find(&mut self, ends: Ends) -> io::Result<Option<Found>> {
        let request = Request {
            kind: SOCK_DIAG_BY_FAMILY,
            flags: 0,
            payload: payload(ends, NO_COOKIE),
        };
        let objects = match self.0.ask(&request) {
            Ok(objects) => objects,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let object = objects
            .first()
            .filter(|object| object.kind == SOCK_DIAG_BY_FAMILY);
        let found = object.and_then(|object| read(&object.payload));
        let (answered, found) = found.ok_or_else(nonsense)?;
        // A listener answers for a connection that has gone.
        Ok((answered == ends).then_some(found))
    }

    /// Calls `each` with every socket of the namespace that can hold memory, listeners before
    /// connections of the same family. TIME-WAIT holds none, nor does a request that waits for its
    /// third segment.
    pub(crate) fn each_socket(&mut self, each: &mut impl FnMut(Listed)) -> io::Result<()> {
        for family in [AF_INET, AF_INET6] {
            let request = Request {
                kind: SOCK_DIAG_BY_FAMILY,
                flags: flag::DUMP,
                payload: listing(family),
            };
            let mut has_nonsense = false;
            let listed = self.0.ask_each(&request, &mut |object| {
                let listed = (object.kind == SOCK_DIAG_BY_FAMILY).then(|| list(object.payload));
                match listed.flatten() {
                    Some(Some(listed)) => each(listed),
                    Some(None) => {}
                    None => has_nonsense = true,
                }
            });
            listed?;
            if has_nonsense {
                return Err(nonsense());
            }
        }
        Ok(())
    }

    /// Closes it; `false` if it has gone already.
    pub(crate) fn destroy(&mut self, ends: Ends, found: &Found) -> io::Result<bool> {
        let request = Request {
            kind: SOCK_DESTROY,
            flags: flag::ACK,
            payload: payload(ends, found.cookie),
        };
        match self.0.ask(&request) {
            Ok(_) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether this kernel can close sockets for others (`CONFIG_INET_DIAG_DESTROY`): asked with
    /// ends that no socket has.
    pub(crate) fn can_destroy(&mut self) -> io::Result<bool> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let ends = Ends {
            local: nowhere,
            remote: nowhere,
        };
        let request = Request {
            kind: SOCK_DESTROY,
            flags: flag::ACK,
            payload: payload(ends, [0; 8]),
        };
        match self.0.ask(&request) {
            Ok(_) => Ok(true),
            Err(error) if is_gone(&error) => Ok(true),
            Err(error) if is(&error, Errno::OPNOTSUPP) || is(&error, Errno::INVAL) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

fn nonsense() -> io::Error {
    io::Error::other("the kernel's answer makes no sense")
}

/// It is gone, or another socket has its addresses.
fn is_gone(error: &io::Error) -> bool {
    is(error, Errno::NOENT) || is(error, Errno::STALE)
}

/// `struct inet_diag_req_v2`.
fn payload(ends: Ends, cookie: [u8; 8]) -> Payload {
    let family = match ends.remote.ip() {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    };
    let wanted = (1_u8 << (INFO - 1)) | (1 << (SOCKET_MEMORY - 1));
    let any_state = u32::MAX;
    let any_interface = 0_u32;
    let bytes = [
        &[family, IPPROTO_TCP, wanted, 0][..],
        &any_state.to_ne_bytes(),
        &ends.local.port().to_be_bytes(),
        &ends.remote.port().to_be_bytes(),
        &address(ends.local.ip()),
        &address(ends.remote.ip()),
        &any_interface.to_ne_bytes(),
        &cookie,
    ];
    Payload::new(&bytes.concat())
}

/// The same for all sockets of a family: their ends and cookie are not looked at.
fn listing(family: u8) -> Payload {
    let wanted = 1_u8 << (SOCKET_MEMORY - 1);
    let states = !(1_u32 << TIME_WAIT | 1 << NEW_SYN_RECEIVED);
    let any_socket = [0; 48];
    let bytes = [
        &[family, IPPROTO_TCP, wanted, 0][..],
        &states.to_ne_bytes(),
        &any_socket,
    ];
    Payload::new(&bytes.concat())
}

/// An address at the beginning of sixteen bytes.
fn address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            let (head, _) = bytes.split_at_mut(4);
            head.copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// `struct inet_diag_msg` and the attributes behind it.
fn read(payload: &[u8]) -> Option<(Ends, Found)> {
    let attributes = payload.get(MESSAGE_BYTES..)?;
    let family = *payload.first()?;
    let memory = attribute(attributes, SOCKET_MEMORY);
    let info = attribute(attributes, INFO);
    let ends = Ends {
        local: SocketAddr::new(ip_at(payload, family, 8)?, port_at(payload, 4)?),
        remote: SocketAddr::new(ip_at(payload, family, 24)?, port_at(payload, 6)?),
    };
    let found = Found {
        cookie: payload.get(44..52)?.try_into().ok()?,
        state: *payload.get(1)?,
        queued_bytes: u32_at(payload, 60)?,
        inode: u32_at(payload, 68)?,
        pinned_bytes: memory.and_then(|memory| u32_at(memory, WMEM_QUEUED * 4)),
        bytes_acked: info.and_then(|info| u64_at(info, BYTES_ACKED_AT)),
        received: info.and_then(|info| {
            u64_at(info, BYTES_RECEIVED_AT).zip(u32_at(info, SEGMENTS_RECEIVED_AT))
        }),
        window: info.and_then(|info| u32_at(info, WINDOW_AT)),
    };
    Some((ends, found))
}

/// The same of a listing; `Some(None)` for what holds no memory: what is left of a connection that was
/// closed here and not yet there is listed as FIN-WAIT-2, without any.
fn list(payload: &[u8]) -> Option<Option<Listed>> {
    let family = *payload.first()?;
    let Some(memory) = attribute(payload.get(MESSAGE_BYTES..)?, SOCKET_MEMORY) else {
        return Some(None);
    };
    let number = |index: usize| u32_at(memory, index * 4).map(u64::from);
    Some(Some(Listed {
        local: SocketAddr::new(ip_at(payload, family, 8)?, port_at(payload, 4)?),
        state: *payload.get(1)?,
        inode: u32_at(payload, 68)?,
        receive_bytes: number(RMEM_ALLOC)?,
        send_bytes: number(WMEM_QUEUED)?,
        // Below zero for moments while others are charged.
        spare_bytes: number(FORWARD_ALLOC)
            .filter(|bytes| *bytes <= i32::MAX as u64)
            .unwrap_or(0),
    }))
}

fn port_at(payload: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(
        payload.get(at..at + 2)?.try_into().ok()?,
    ))
}

fn ip_at(payload: &[u8], family: u8, at: usize) -> Option<IpAddr> {
    let bytes: [u8; 16] = payload.get(at..at + 16)?.try_into().ok()?;
    match family {
        AF_INET => {
            let [a, b, c, d, ..] = bytes;
            Some(IpAddr::from([a, b, c, d]))
        }
        AF_INET6 => Some(IpAddr::from(bytes).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
