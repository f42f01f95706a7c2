use super::{Diagnosis, Ends, Listed, list, read};
use proptest::prelude::*;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

#[test]
fn a_connection_of_our_own_is_found_and_a_listener_is_not_taken_for_it() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, _) = listener.accept().unwrap();
        let ends = Ends {
            local: served.local_addr().unwrap(),
            remote: client.local_addr().unwrap(),
        };
        let mut diagnosis = Diagnosis::open().unwrap();
        let found = diagnosis.find(ends).unwrap().unwrap();
        assert_eq!((found.state, found.queued_bytes), (1, 0));
        assert_eq!(found.bytes_acked, Some(0));
        assert_ne!(found.inode, 0);
        let mut strange = ends;
        strange.remote.set_port(1);
        assert_eq!(diagnosis.find(strange).unwrap(), None);
    }
}

/// Whoever may close no sockets of others closes this one no more.
#[test]
fn what_has_another_cookie_is_left_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut served, _) = listener.accept().unwrap();
    let ends = Ends {
        local: served.local_addr().unwrap(),
        remote: client.local_addr().unwrap(),
    };
    let mut diagnosis = Diagnosis::open().unwrap();
    let found = diagnosis.find(ends).unwrap().unwrap();
    let mut another = found;
    another.cookie[0] ^= 1;
    let is_forbidden = match diagnosis.destroy(ends, &another) {
        Ok(is_closed) => {
            assert!(!is_closed);
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            true
        }
    };
    served.write_all(b"well").unwrap();
    let mut bytes = [0; 4];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"well");
    if !is_forbidden {
        assert!(diagnosis.destroy(ends, &found).unwrap());
        let closed = served.write_all(b"well").unwrap_err();
        assert_eq!(closed.kind(), ErrorKind::ConnectionAborted);
    }
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_found_by_its_ipv4_ends() {
    let listener = TcpListener::bind("[::]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (_served, _) = listener.accept().unwrap();
    let ends = Ends {
        local: client.peer_addr().unwrap(),
        remote: client.local_addr().unwrap(),
    };
    let found = Diagnosis::open().unwrap().find(ends).unwrap();
    assert_eq!(found.map(|found| found.state), Some(1));
}

#[test]
fn a_listing_shows_what_is_not_read_and_where_it_was_not_accepted() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let local = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(local).unwrap();
        client.write_all(&[7; 30_000]).unwrap();
        let mut diagnosis = Diagnosis::open().unwrap();
        let mut listed = Vec::new();
        diagnosis
            .each_socket(&mut |each| listed.push(each))
            .unwrap();
        listed.retain(|each| each.local == local);
        let [listener, waiting] = listed.as_slice() else {
            panic!("{listed:?}")
        };
        assert_eq!((listener.state, waiting.state), (10, 1));
        assert!(listener.inode != 0 && waiting.inode == 0, "{listed:?}");
        assert!(waiting.receive_bytes >= 30_000, "{waiting:?}");
        assert_eq!(waiting.send_bytes, 0);
    }
}

#[test]
fn what_is_left_of_a_closed_connection_does_not_spoil_a_listing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let closed = client.local_addr().unwrap();
    let (_served, _) = listener.accept().unwrap();
    drop(client);
    // Its FIN is acknowledged soon; then a few bytes are left of it.
    let mut holds_memory = true;
    while holds_memory {
        holds_memory = false;
        let mut look = |each: Listed| holds_memory |= each.local == closed;
        Diagnosis::open().unwrap().each_socket(&mut look).unwrap();
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _found = read(&bytes);
        let _listed = list(&bytes);
    }
}
