//! A conversation with the kernel over netlink: requests out, acknowledgements and objects back.
//!
//! Everything that comes back is read with every length checked. Waits are bounded.
//!
//! Of one network namespace: that of the thread that opened it.
//!
//! Our own: what is needed fits one file, and the crates for it bring a crate for each protocol and
//! no transactions of nftables.

pub(crate) mod addresses;
pub(crate) mod routes;
pub(crate) mod sock_diag;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv,
    send, socket_with,
};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// For one answer of the kernel; it answers at once unless it is in deep trouble.
const PATIENCE: Duration = Duration::from_secs(5);
/// The kernel sends at most 32 KiB at a time.
const ANSWER_BYTES: usize = 32 << 10;
/// `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// `struct nlattr`.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const ALIGNMENT: usize = 4;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// Flags of a request.
pub(crate) mod flag {
    pub(crate) const REQUEST: u16 = 0x1;
    pub(crate) const ACK: u16 = 0x4;
    pub(crate) const EXCLUSIVE: u16 = 0x200;
    pub(crate) const DUMP: u16 = 0x300;
    pub(crate) const CREATE: u16 = 0x400;
    pub(crate) const APPEND: u16 = 0x800;
}

/// `NLM_F_DUMP_INTR`, in the flags of an answer.
const DUMP_INTERRUPTED: u16 = 0x10;

/// Bit of an attribute's type that says that it holds attributes.
const NESTED: u16 = 1 << 15;

/// Bytes of a message or of an attribute that holds others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// These bytes, and what is added.
    pub(crate) fn new(head: &[u8]) -> Self {
        Self(head.to_vec())
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same with an attribute at its end. No value of ours comes near 64 KiB.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
        self
    }

    /// The same with a text, which ends in a zero.
    pub(crate) fn with_text(self, kind: u16, text: &str) -> Self {
        self.with(kind, &[text.as_bytes(), &[0]].concat())
    }

    /// The same with a number in network byte order.
    pub(crate) fn with_u32(self, kind: u16, number: u32) -> Self {
        self.with(kind, &number.to_be_bytes())
    }

    /// The same with attributes in an attribute.
    pub(crate) fn with_nested(self, kind: u16, inner: Self) -> Self {
        self.with(kind | NESTED, &inner.0)
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: u16,
    /// Of [`flag`]; [`flag::REQUEST`] is always added.
    pub(crate) flags: u16,
    pub(crate) payload: Payload,
}

/// A message of the kernel that is neither an error nor an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object<P = Vec<u8>> {
    pub(crate) kind: u16,
    pub(crate) payload: P,
}

/// A message of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer<'a> {
    /// The end of a dump, with the error's number that broke it off; 0 if it is whole.
    Done(i32),
    /// Something was changed while it was dumped: what came is no picture of any moment.
    Interrupted,
    /// The error's number; 0 acknowledges.
    Error(i32),
    Object(Object<&'a [u8]>),
}

/// An open netlink socket, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket of this protocol; without one that of links and addresses.
    pub(crate) fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        // Now only the kernel can send to us.
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends one request; returns the object it asks for, or all of a dump, or nothing for one that
    /// is only acknowledged.
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Vec<Object>> {
        let mut objects = Vec::new();
        self.ask_each(request, &mut |object| {
            objects.push(Object {
                kind: object.kind,
                payload: object.payload.to_vec(),
            });
        })?;
        Ok(objects)
    }

    /// The same, object by object: a dump may be larger than memory should be spent on it.
    pub(crate) fn ask_each(
        &mut self,
        request: &Request,
        each: &mut impl FnMut(Object<&[u8]>),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        self.send(&encode(request, sequence))?;
        let is_dump = request.flags & flag::DUMP == flag::DUMP;
        let is_acknowledged = request.flags & flag::ACK != 0;
        let mut has_object = false;
        let mut room = vec![0; ANSWER_BYTES];
        loop {
            for (answered, answer) in self.receive(&mut room)? {
                match answer {
                    _ if answered != sequence => {}
                    Answer::Done(0) | Answer::Error(0) => return Ok(()),
                    Answer::Interrupted => return Err(io::ErrorKind::Interrupted.into()),
                    Answer::Done(number) | Answer::Error(number) => {
                        return Err(io::Error::from_raw_os_error(number));
                    }
                    Answer::Object(object) => {
                        has_object = true;
                        each(object);
                    }
                }
            }
            if !is_dump && !is_acknowledged && has_object {
                return Ok(());
            }
        }
    }

    /// Sends requests that the kernel takes all or none of, between `begin` and `end`, and waits
    /// until it has. Each of `requests` must ask for an acknowledgement.
    pub(crate) fn transact(
        &mut self,
        begin: &Request,
        requests: &[Request],
        end: &Request,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        let (mut batch, mut waiting) = (Vec::new(), Vec::new());
        let all = std::iter::once(begin).chain(requests).chain([end]);
        for request in all {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend_from_slice(&encode(request, self.sequence));
            if request.flags & flag::ACK != 0 {
                waiting.push(self.sequence);
            }
            batch.push(self.sequence);
        }
        self.send(&bytes)?;
        let mut room = vec![0; ANSWER_BYTES];
        while !waiting.is_empty() {
            for (answered, answer) in self.receive(&mut room)? {
                match answer {
                    // Of an earlier batch, which failed.
                    _ if !batch.contains(&answered) => {}
                    // What is wrong with the batch as a whole has the number of its begin.
                    Answer::Error(number) if number != 0 => {
                        return Err(io::Error::from_raw_os_error(number));
                    }
                    _ => waiting.retain(|sequence| *sequence != answered),
                }
            }
        }
        Ok(())
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = rustix::io::retry_on_intr(|| send(&self.socket, bytes, SendFlags::empty()))?;
        if sent == bytes.len() {
            Ok(())
        } else {
            Err(io::Error::other("the kernel took only a part of a request"))
        }
    }

    /// The next few messages, each with the number of the request that it answers.
    fn receive<'a>(&self, room: &'a mut [u8]) -> io::Result<Vec<(u32, Answer<'a>)>> {
        let (_, length) =
            rustix::io::retry_on_intr(|| recv(&self.socket, &mut *room, RecvFlags::TRUNC))
                .map_err(|errno| match errno {
                    rustix::io::Errno::AGAIN => {
                        io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer in time")
                    }
                    // What came of the request is not known: it has no error's number of its own.
                    other => io::Error::other(format!("the kernel's answer was lost: {other}")),
                })?;
        let bytes = room
            .get(..length)
            .ok_or_else(|| io::Error::other("the kernel's answer is larger than it may be"))?;
        decode(bytes).ok_or_else(|| io::Error::other("the kernel's answer makes no sense"))
    }
}

fn encode(request: &Request, sequence: u32) -> Vec<u8> {
    let payload = &request.payload.0;
    let length = HEADER_BYTES + payload.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(ALIGNMENT));
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend_from_slice(&request.kind.to_ne_bytes());
    bytes.extend_from_slice(&(request.flags | flag::REQUEST).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes.resize(length.next_multiple_of(ALIGNMENT), 0);
    bytes
}

/// All messages in these bytes; `None` if a length is wrong.
fn decode(mut bytes: &[u8]) -> Option<Vec<(u32, Answer<'_>)>> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let payload = bytes.get(HEADER_BYTES..length)?;
        let kind = u16_at(bytes, 4)?;
        let sequence = u32_at(bytes, 8)?;
        let number = || {
            let bytes = payload.get(..4)?.try_into().ok()?;
            i32::from_ne_bytes(bytes).checked_neg()
        };
        let answer = match kind {
            _ if u16_at(bytes, 6)? & DUMP_INTERRUPTED != 0 => Answer::Interrupted,
            // Not every dump ends with a number; a number above zero counts something.
            NLMSG_DONE => Answer::Done(number().unwrap_or(0).max(0)),
            NLMSG_ERROR => Answer::Error(number()?),
            kind => Answer::Object(Object { kind, payload }),
        };
        answers.push((sequence, answer));
        bytes = bytes
            .get(length.next_multiple_of(ALIGNMENT)..)
            .unwrap_or_default();
    }
    Some(answers)
}

/// Value of the first attribute of this type.
pub(crate) fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(bytes, 0)?);
        let value = bytes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        if u16_at(bytes, 2)? & !NESTED == wanted {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(ALIGNMENT)..)?;
    }
}

/// An address of either family, by its length.
pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

/// A number of the host's byte order at this place.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

/// A number of the host's byte order at this place.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(
        bytes.get(at..at.checked_add(8)?)?.try_into().ok()?,
    ))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(
        bytes.get(at..at.checked_add(2)?)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests;
