use super::{Candidates, each_other_end};
use crate::namespace;
use crate::netlink::sock_diag::Namespaces;
use detector_core::observe::observation::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What is found of each, told by a thread of its own: it ends in another namespace.
fn found(candidates: Candidates) -> BTreeMap<SocketAddr, bool> {
    let ask = move || {
        let mut told = BTreeMap::new();
        let mut tell = |id: ConnectionId, is_found| {
            told.insert(id.remote, is_found);
        };
        each_other_end(&Namespaces::find(), candidates, &mut tell);
        told
    };
    std::thread::spawn(ask).join().unwrap()
}

fn candidate(local: SocketAddr, remote: SocketAddr, netns: u32) -> ConnectionId {
    ConnectionId {
        socket: 1,
        local,
        remote,
        netns,
    }
}

#[test]
fn the_other_end_is_found_in_the_own_namespace() {
    let own = namespace::current().unwrap().inode;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let local = server.local_addr().unwrap();
    let remote = client.local_addr().unwrap();
    let stranger = SocketAddr::from(([127, 0, 0, 9], 1));
    let places = BTreeSet::from([own]);
    let told = found(vec![
        (candidate(local, remote, own), places.clone()),
        (candidate(local, stranger, own), places),
    ]);
    assert_eq!(told, BTreeMap::from([(remote, true), (stranger, false)]));
}
