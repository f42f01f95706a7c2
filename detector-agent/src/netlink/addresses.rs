//! The addresses of a network namespace.

use super::{Netlink, Payload, Request, address, attribute, flag};
use std::io;
use std::net::IpAddr;

const GET_ADDRESSES: u16 = 22;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
/// `struct ifaddrmsg`.
const HEAD_BYTES: usize = 8;
/// While addresses come and go, a dump has to be asked for again.
const TRIES: usize = 8;

/// The addresses of the network namespace of this thread.
pub(crate) fn own_addresses() -> io::Result<Vec<IpAddr>> {
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
    let addresses = answer.iter().map(|object| own_end(&object.payload));
    Ok(addresses.flatten().collect())
}

/// What a message of the dump names: on a link to one other, the own end of it.
fn own_end(payload: &[u8]) -> Option<IpAddr> {
    let attributes = payload.get(HEAD_BYTES..)?;
    address(attribute(attributes, LOCAL).or_else(|| attribute(attributes, ADDRESS))?)
}

#[cfg(test)]
mod tests {
    use super::{ADDRESS, HEAD_BYTES, LOCAL, own_end};
    use crate::netlink::Payload;
    use proptest::prelude::*;
    use std::net::IpAddr;

    #[test]
    fn of_a_link_to_one_other_the_own_end_is_taken() {
        let other = Payload::new(&[0; HEAD_BYTES]).with(ADDRESS, &[192, 0, 2, 1]);
        assert_eq!(own_end(other.bytes()), Some(IpAddr::from([192, 0, 2, 1])));
        let both = other.with(LOCAL, &[192, 0, 2, 2]);
        assert_eq!(own_end(both.bytes()), Some(IpAddr::from([192, 0, 2, 2])));
        let longer = Payload::new(&[0; HEAD_BYTES]).with(LOCAL, &[7; 5]);
        assert_eq!(own_end(longer.bytes()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = own_end(&bytes);
        }

        #[test]
        fn an_attribute_of_any_length_is_an_address_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let message = Payload::new(&[0; HEAD_BYTES]).with(LOCAL, &bytes);
            let read = own_end(message.bytes());
            prop_assert_eq!(read.is_some(), matches!(bytes.len(), 4 | 16));
        }
    }
}
