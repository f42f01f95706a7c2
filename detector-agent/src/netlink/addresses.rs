//! The addresses of a network namespace.

use super::{Netlink, Payload, Request, attribute, flag};
use std::io;
use std::net::IpAddr;

/// The addresses of the network namespace of this thread.
pub(crate) fn own_addresses() -> io::Result<Vec<IpAddr>> {
    const GET_ADDRESSES: u16 = 22;
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    /// `struct ifaddrmsg`.
    const HEAD_BYTES: usize = 8;
    /// While addresses come and go, a dump has to be asked for again.
    const TRIES: usize = 8;
    let request = Request {
        kind: GET_ADDRESSES,
        flags: flag::DUMP,
        payload: Payload::new(&[0; HEAD_BYTES]),
    };
    let is_overtaken = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
    let mut answer = Netlink::open(None)?.ask(&request);
    for _ in 1..TRIES {
        if !answer.as_ref().is_err_and(is_overtaken) {
            break;
        }
        // On a socket of its own: the rest of the last dump is still on its way.
        answer = Netlink::open(None)?.ask(&request);
    }
    let answer = answer?;
    let address = |payload: &[u8]| {
        let attributes = payload.get(HEAD_BYTES..)?;
        let bytes = attribute(attributes, LOCAL).or_else(|| attribute(attributes, ADDRESS))?;
        match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
            _ => None,
        }
    };
    let answer = answer.iter();
    Ok(answer
        .filter_map(|object| address(&object.payload))
        .collect())
}
