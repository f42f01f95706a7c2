//! The connections of a listener: at most a fixed number. One more cuts off another.
//!
//! A newcomer is never turned away, so a client that holds all connections keeps nobody out.

use super::deadline::Progress;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// A client waited for this long is cut before others, unless one client holds most connections.
const PATIENCE: Duration = Duration::from_secs(1);
/// IPv6 addresses with these bits in common are one client's.
const CLIENT_BITS: u128 = !0 << 64;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Where it comes from: an IPv4 address, or the `/64` of an IPv6 address.
    Network(IpAddr),
    /// The user at the other end of a Unix socket, if the kernel knows.
    User(Option<u32>),
}

impl Client {
    /// The client at `address`.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & CLIENT_BITS)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// The same as a network; `None` for a user.
    pub(crate) fn network(self) -> Option<IpNet> {
        match self {
            Self::Network(address @ IpAddr::V6(_)) => IpNet::new(address, 64).ok(),
            Self::Network(address) => Some(address.into()),
            Self::User(_) => None,
        }
    }

    /// The user, where there is one.
    pub(crate) fn uid(self) -> Option<u32> {
        match self {
            Self::Network(_) => None,
            Self::User(uid) => uid,
        }
    }
}

struct OpenConnection {
    client: Client,
    progress: Progress,
    task: AbortHandle,
}

/// See the module.
pub(super) struct ConnectionLimiter {
    limit: usize,
    tasks: JoinSet<()>,
    /// The oldest first; some may have ended.
    open: Vec<OpenConnection>,
}

impl ConnectionLimiter {
    /// No connection yet.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            tasks: JoinSet::new(),
            open: Vec::with_capacity(limit),
        }
    }

    /// Whether half of the limit is reached.
    pub(super) fn is_crowded(&self) -> bool {
        self.tasks.len() >= self.limit / 2
    }

    /// Waits for a connection to end; `None` if there is none.
    pub(super) async fn one_ended(&mut self) -> Option<()> {
        self.tasks.join_next().await.map(drop)
    }

    /// Cuts a connection if the limit is reached; says whether it did.
    pub(super) async fn make_room(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.open
            .retain(|connection| !connection.task.is_finished());
        if self.tasks.len() < self.limit {
            return false;
        }
        let held: Vec<(Client, Duration)> = self
            .open
            .iter()
            .map(|connection| (connection.client, connection.progress.waited_for_client()))
            .collect();
        let first = first_to_go(&held);
        if let Some(index) = first {
            let connection = self.open.remove(index);
            connection.progress.make_room();
            connection.task.abort();
        }
        // Soon: one was aborted. So there are never more than the limit.
        self.one_ended().await;
        first.is_some()
    }

    /// Runs `connection` as one of them.
    pub(super) fn admit(
        &mut self,
        client: Client,
        progress: Progress,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(connection);
        self.open.push(OpenConnection {
            client,
            progress,
            task,
        });
    }
}

/// Which of the connections `held`, each with its client and how long that has been waited for,
/// makes room: the one waited for longest of a client that holds more than half of them; else the one
/// waited for longest of all; while none is beyond patience, of the client that holds most.
fn first_to_go(held: &[(Client, Duration)]) -> Option<usize> {
    let mut held_by: HashMap<Client, usize> = HashMap::new();
    for &(client, _) in held {
        *held_by.entry(client).or_default() += 1;
    }
    let rank = |&(client, waited): &(Client, Duration)| {
        let is_greedy = held_by[&client] * 2 > held.len();
        let is_late = waited >= PATIENCE;
        let holds = if is_late { 0 } else { held_by[&client] };
        (is_greedy, is_late, holds, waited)
    };
    // Of equals the last one goes: the oldest.
    let oldest_last = held.iter().enumerate().rev();
    oldest_last
        .max_by_key(|(_, connection)| rank(connection))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::{Client, first_to_go};
    use std::time::Duration;

    fn first(held: &[(&str, u64)]) -> Option<usize> {
        let held: Vec<_> = held
            .iter()
            .map(|&(address, ms)| {
                let client = Client::at(address.parse().unwrap());
                (client, Duration::from_millis(ms))
            })
            .collect();
        first_to_go(&held)
    }

    #[test]
    fn a_client_that_is_late_goes_first() {
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[(one, 0), (one, 900), (other, 1100)]), Some(1));
        let third = "192.0.2.3";
        assert_eq!(first(&[(one, 0), (third, 900), (other, 1100)]), Some(2));
        assert_eq!(first(&[(one, 1200), (one, 0), (other, 1100)]), Some(0));
    }

    #[test]
    fn who_holds_most_goes_while_none_is_late() {
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        assert_eq!(first(&[(other, 900), (one, 1), (one, 2)]), Some(2));
        assert_eq!(first(&[(other, 0), (one, 0), (one, 0)]), Some(1));
        let (a, b) = ("2001:db8::1", "2001:db8::2");
        assert_eq!(first(&[(one, 900), (a, 1), (b, 2)]), Some(2));
        let mapped = "::ffff:192.0.2.1";
        assert_eq!(first(&[(other, 900), (one, 1), (mapped, 2)]), Some(2));
    }
}
