//! The nftables table that drops what is blocked, and new connections of those that are limited
//! beyond a few a second: `inet detector`, in the agent's own network namespace.
//!
//! The table belongs to the netlink socket it was made with (`flags owner`, Linux 5.12): nobody
//! else can change it, and the kernel removes it with the socket, however the agent ends. Each
//! element has a timeout of its own, so that the kernel forgets it also while the agent hangs.
//! Bytes as `nft --debug=mnl` shows them; see `include/uapi/linux/netfilter/nf_tables.h`.

use crate::netlink::{Netlink, Payload, Request, flag};
use ipnet::IpNet;
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// Networks that are blocked at the same time, of each family.
pub(super) const CAPACITY: u32 = 1_024;

const TABLE: &str = "detector";
const CHAIN: &str = "blocked";
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = (SUBSYSTEM << 8) | 3;
const NEW_RULE: u16 = (SUBSYSTEM << 8) | 6;
const NEW_SET: u16 = (SUBSYSTEM << 8) | 9;
const NEW_ELEMENT: u16 = (SUBSYSTEM << 8) | 12;
const DELETE_ELEMENT: u16 = (SUBSYSTEM << 8) | 14;

/// `struct nfgenmsg` of `inet` tables.
const INET: [u8; 4] = [1, 0, 0, 0];
/// The same of a batch, with the subsystem in network byte order.
const BATCH: [u8; 4] = [0, 0, 0, 10];

const TABLE_IS_OWNED: u32 = 2;
const SET_IS_INTERVAL: u32 = 4;
const SET_HAS_TIMEOUTS: u32 = 16;
const ELEMENT_ENDS_INTERVAL: u32 = 1;
const HOOK_PREROUTING: u32 = 0;
/// `raw`: before the kernel spends anything on tracking connections.
const PRIORITY: i32 = -300;
const POLICY_ACCEPT: u32 = 1;
const META_NFPROTO: u32 = 15;
const CMP_EQUAL: u32 = 0;
const NETWORK_HEADER: u32 = 1;
const REGISTER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;
const VERDICT_DROP: u32 = 0;
const LIST_ELEMENT: u16 = 1;

/// New connections that get through of all limited networks of a family together: so many a second,
/// and so many at once.
const LIMIT_PER_SECOND: u64 = 1;
const LIMIT_BURST: u32 = 5;
const META_L4PROTO: u32 = 16;
const TCP: u8 = 6;
const TRANSPORT_HEADER: u32 = 2;
const TCP_FLAGS_AT: u32 = 13;
/// FIN, SYN, RST and ACK, of which the first segment of a connection has SYN alone.
const TCP_FLAGS: u8 = 0x17;
const TCP_SYN: u8 = 0x02;
const LIMIT_IS_OVER: u32 = 1;

/// What becomes of what a network sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// All of it is dropped.
    Drop,
    /// Few new connections get through.
    Limit,
}

impl Fence {
    /// What has been done to the network.
    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Drop => "blocked",
            Self::Limit => "limited to few new connections",
        }
    }
}

/// What differs between IPv4 and IPv6.
struct Family {
    blocked: &'static str,
    limited: &'static str,
    set_id: u32,
    /// Types of `nft`, so that it lists the sets readably.
    key_type: u32,
    key_bytes: u32,
    protocol: u8,
    source_at: u32,
}

const V4: Family = Family {
    blocked: "blocked4",
    limited: "limited4",
    set_id: 1,
    key_type: 7,
    key_bytes: 4,
    protocol: 2,
    source_at: 12,
};
const V6: Family = Family {
    blocked: "blocked6",
    limited: "limited6",
    set_id: 2,
    key_type: 8,
    key_bytes: 16,
    protocol: 10,
    source_at: 8,
};

impl Family {
    const fn set(&self, fence: Fence) -> &'static str {
        match fence {
            Fence::Drop => self.blocked,
            Fence::Limit => self.limited,
        }
    }
}

/// The table, for as long as this lives.
#[derive(Debug)]
pub(super) struct Ruleset {
    netlink: Netlink,
    /// Whether it can limit: a kernel may lack what that needs and block all the same.
    has_limit: bool,
}

impl Ruleset {
    /// Makes the table in the network namespace of this thread; nothing is blocked yet.
    pub(super) fn make() -> io::Result<Self> {
        let mut netlink = Netlink::open(Some(rustix::net::netlink::NETFILTER))?;
        let table = Payload::new(&INET)
            .with_text(1, TABLE)
            .with_u32(2, TABLE_IS_OWNED);
        let mut requests = vec![made(NEW_TABLE, flag::EXCLUSIVE, table)];
        let sets = [V4, V6].map(|family| made(NEW_SET, 0, set(&family, Fence::Drop)));
        requests.extend(sets);
        requests.push(made(NEW_CHAIN, 0, chain()));
        requests.extend([V4, V6].map(|family| made(NEW_RULE, 0, rule(&family, Fence::Drop))));
        transact(&mut netlink, &requests)?;
        Ok(Self {
            netlink,
            has_limit: false,
        })
    }

    /// Adds what limits.
    fn make_limit(&mut self) -> io::Result<()> {
        let sets = [V4, V6].map(|family| made(NEW_SET, 0, set(&family, Fence::Limit)));
        let rules =
            [V4, V6].map(|family| made(NEW_RULE, flag::APPEND, rule(&family, Fence::Limit)));
        let requests: Vec<_> = sets.into_iter().chain(rules).collect();
        transact(&mut self.netlink, &requests)?;
        self.has_limit = true;
        Ok(())
    }

    /// Drops or limits what comes from `network` for a time, in place of what was said of it, and of networks
    /// that overlap it, before.
    pub(super) fn fence_off(
        &mut self,
        network: IpNet,
        span: Duration,
        fence: Fence,
        before: &[(IpNet, Fence)],
    ) -> io::Result<()> {
        if fence == Fence::Limit && !self.has_limit {
            self.make_limit()?;
        }
        let add = made(NEW_ELEMENT, 0, elements(network, fence, Some(span))?);
        let delete = before
            .iter()
            .map(|(network, fence)| Ok(request(DELETE_ELEMENT, elements(*network, *fence, None)?)));
        let mut requests = delete.collect::<io::Result<Vec<_>>>()?;
        requests.push(add.clone());
        match transact(&mut self.netlink, &requests) {
            // One of them expired just now.
            Err(error) if is_absent(&error) => {
                // Should that fail, nobody knows which of them is left.
                let unknown = |error: io::Error| io::Error::other(error.to_string());
                for (network, fence) in before {
                    self.unblock(*network, *fence).map_err(unknown)?;
                }
                transact(&mut self.netlink, &[add]).map_err(unknown)
            }
            outcome => outcome,
        }
    }

    /// Lets it through again.
    pub(super) fn unblock(&mut self, network: IpNet, fence: Fence) -> io::Result<()> {
        let delete = request(DELETE_ELEMENT, elements(network, fence, None)?);
        match transact(&mut self.netlink, &[delete]) {
            Err(error) if is_absent(&error) => Ok(()),
            outcome => outcome,
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOENT.raw_os_error())
}

/// All or nothing.
fn transact(netlink: &mut Netlink, requests: &[Request]) -> io::Result<()> {
    let border = |kind| Request {
        kind,
        flags: 0,
        payload: Payload::new(&BATCH),
    };
    netlink.transact(&border(BATCH_BEGIN), requests, &border(BATCH_END))
}

fn request(kind: u16, payload: Payload) -> Request {
    Request {
        kind,
        flags: flag::ACK,
        payload,
    }
}

fn made(kind: u16, flags: u16, payload: Payload) -> Request {
    Request {
        kind,
        flags: flag::ACK | flag::CREATE | flags,
        payload,
    }
}

fn set(family: &Family, fence: Fence) -> Payload {
    // For `nft` alone: keys are in network byte order.
    let byte_order = [0, 4, 2, 0, 0, 0];
    Payload::new(&INET)
        .with_text(1, TABLE)
        .with_text(2, family.set(fence))
        .with_u32(3, SET_IS_INTERVAL | SET_HAS_TIMEOUTS)
        .with_u32(4, family.key_type)
        .with_u32(5, family.key_bytes)
        .with_u32(10, family.set_id)
        // A network is two elements, its begin and its end.
        .with_nested(9, Payload::default().with_u32(1, 2 * CAPACITY))
        .with(13, &byte_order)
}

fn chain() -> Payload {
    let hook = Payload::default()
        .with_u32(1, HOOK_PREROUTING)
        .with(2, &PRIORITY.to_be_bytes());
    Payload::new(&INET)
        .with_text(1, TABLE)
        .with_text(3, CHAIN)
        .with_text(7, "filter")
        .with_u32(5, POLICY_ACCEPT)
        .with_nested(4, hook)
}

type Expression = (&'static str, Payload);

/// `ip saddr @blocked4 counter drop`, or `ip saddr @limited4 tcp flags & (fin|syn|rst|ack) == syn
/// limit rate over 1/second burst 5 packets counter drop`.
fn rule(family: &Family, fence: Fence) -> Payload {
    let drop_it = Payload::default().with_nested(2, Payload::default().with_u32(1, VERDICT_DROP));
    let mut expressions = vec![
        meta(META_NFPROTO),
        equals(&[family.protocol]),
        load(NETWORK_HEADER, family.source_at, family.key_bytes),
        (
            "lookup",
            Payload::default()
                .with_u32(2, REGISTER)
                .with_text(1, family.set(fence))
                .with_u32(4, family.set_id),
        ),
    ];
    if fence == Fence::Limit {
        expressions.extend(new_connections_over_limit());
    }
    expressions.push(("counter", Payload::default()));
    expressions.push((
        "immediate",
        Payload::default()
            .with_u32(1, VERDICT_REGISTER)
            .with_nested(2, drop_it),
    ));
    let list = expressions
        .into_iter()
        .fold(Payload::default(), |list, (name, what)| {
            let expression = Payload::default().with_text(1, name).with_nested(2, what);
            list.with_nested(LIST_ELEMENT, expression)
        });
    Payload::new(&INET)
        .with_text(1, TABLE)
        .with_text(2, CHAIN)
        .with_nested(4, list)
}

fn new_connections_over_limit() -> [Expression; 6] {
    let mask = |bytes: u8| Payload::default().with(1, &[bytes]);
    let second: u64 = 1;
    [
        meta(META_L4PROTO),
        equals(&[TCP]),
        load(TRANSPORT_HEADER, TCP_FLAGS_AT, 1),
        (
            "bitwise",
            Payload::default()
                .with_u32(1, REGISTER)
                .with_u32(2, REGISTER)
                .with_u32(3, 1)
                .with_nested(4, mask(TCP_FLAGS))
                .with_nested(5, mask(0)),
        ),
        equals(&[TCP_SYN]),
        (
            "limit",
            Payload::default()
                .with(1, &LIMIT_PER_SECOND.to_be_bytes())
                .with(2, &second.to_be_bytes())
                .with_u32(3, LIMIT_BURST)
                .with_u32(5, LIMIT_IS_OVER),
        ),
    ]
}

fn meta(what: u32) -> Expression {
    let loads = Payload::default().with_u32(2, what).with_u32(1, REGISTER);
    ("meta", loads)
}

fn load(header: u32, at: u32, bytes: u32) -> Expression {
    let loads = Payload::default()
        .with_u32(1, REGISTER)
        .with_u32(2, header)
        .with_u32(3, at)
        .with_u32(4, bytes);
    ("payload", loads)
}

fn equals(bytes: &[u8]) -> Expression {
    let compares = Payload::default()
        .with_u32(1, REGISTER)
        .with_u32(2, CMP_EQUAL)
        .with_nested(3, Payload::default().with(1, bytes));
    ("cmp", compares)
}

/// The begin of a network, with the time it is to stay, and its end.
fn elements(network: IpNet, fence: Fence, span: Option<Duration>) -> io::Result<Payload> {
    let (family, begin, end) = match network {
        IpNet::V4(network) => {
            let begin = network.network().to_bits();
            let end = network.broadcast().to_bits().checked_add(1);
            let bytes = |number: u32| number.to_be_bytes().to_vec();
            (V4, bytes(begin), end.map(bytes))
        }
        IpNet::V6(network) => {
            let begin = network.network().to_bits();
            let end = network.broadcast().to_bits().checked_add(1);
            let bytes = |number: u128| number.to_be_bytes().to_vec();
            (V6, bytes(begin), end.map(bytes))
        }
    };
    let end = end.ok_or_else(|| io::Error::other("no address follows the network"))?;
    let key =
        |address: &[u8]| Payload::default().with_nested(1, Payload::default().with(1, address));
    let first = match span {
        Some(span) => {
            let milliseconds = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
            key(&begin).with(4, &milliseconds.to_be_bytes())
        }
        None => key(&begin),
    };
    let last = key(&end).with_u32(3, ELEMENT_ENDS_INTERVAL);
    let list = Payload::default()
        .with_nested(LIST_ELEMENT, first)
        .with_nested(LIST_ELEMENT, last);
    Ok(Payload::new(&INET)
        .with_text(1, TABLE)
        .with_text(2, family.set(fence))
        .with_nested(3, list))
}
