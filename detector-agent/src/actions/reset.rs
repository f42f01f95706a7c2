//! Closes a peer's stalled sockets, each checked again in its own network namespace just before.
//!
//! In: what the engine knows of the peer. Out: what came of each socket. Never: closing a socket
//! that is not stalled now, or another one that has taken its addresses.

use crate::capability::{self, Capability};
use crate::netlink::sock_diag::{Diagnosis, Ends, Found, Namespaces, NoAnswer};
use detector_api::actions::{ResetAnswer, ResetOutcome, ResetRequest, ResetSocket, SocketName};
use detector_api::address::network_of;
use detector_api::snapshot::{Connection, PeerDetail, StallCause};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// States of `net/tcp_states.h` in which data can be held up: ESTABLISHED, FIN-WAIT-1, CLOSE-WAIT,
/// LAST-ACK, CLOSING.
const STATES: [u8; 5] = [1, 4, 8, 9, 11];
/// Why an orphan stays.
const LINGERS: &str = "this kernel frees an orphan's memory but does not close it (fixed in Linux \
                       6.11)";

/// Why nothing was reset at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResetError {
    /// The agent may not.
    #[error("the agent may not close sockets: it lacks CAP_NET_ADMIN")]
    NoPrivilege,
    /// The kernel cannot.
    #[error(
        "this kernel cannot close sockets for others: it was built without CONFIG_INET_DIAG_DESTROY"
    )]
    NoSupport,
    /// The kernel was asked and failed.
    #[error("{doing}: {source}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// A socket to be reset, and what shows whether it is still the same and still stalled.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    ends: Ends,
    inode: Option<u64>,
    bytes_acked: u64,
    mss_bytes: u64,
    is_orphan: bool,
    report: ResetSocket,
}

/// What is to be reset, by network namespace.
#[derive(Clone, Debug)]
pub(crate) struct ResetPlan {
    answer: ResetAnswer,
    candidates: BTreeMap<u32, Vec<Candidate>>,
}

impl ResetPlan {
    /// What of `peer`, with the connections that [`ResetFilter`] has chosen, is to be reset.
    pub(crate) fn of(peer: &PeerDetail, request: &ResetRequest) -> Self {
        let mut plan = Self {
            answer: ResetAnswer {
                peer: peer.peer.peer.clone(),
                dry_run: request.dry_run,
                stalled_for_seconds: request.stalled_for_seconds,
                sockets: Vec::new(),
                reset: 0,
                freed_bytes: 0,
                too_young: 0,
                not_looked_at: peer
                    .connections_total
                    .saturating_sub(peer.connections.len() as u64),
            },
            candidates: BTreeMap::new(),
        };
        for connection in &peer.connections {
            let Some(stall) = connection.stall else {
                continue;
            };
            if connection.stalled_seconds < request.stalled_for_seconds {
                plan.answer.too_young += 1;
            } else if let Some(candidate) = candidate(connection, stall) {
                let of_namespace = plan.candidates.entry(connection.netns).or_default();
                of_namespace.push(candidate);
            }
        }
        plan
    }

    /// Whether it only says what it would do.
    pub(crate) fn is_dry(&self) -> bool {
        self.answer.dry_run
    }

    /// Carries it out, or says what that would do. Blocks, and leaves this thread in another network
    /// namespace: call it on a thread that ends with it.
    ///
    /// `orphans_linger` becomes true when an orphan has outlived being closed; the others are left
    /// alone then. `namespaces` are found if they are not yet: that costs a look at each process.
    pub(crate) fn carry_out(
        mut self,
        orphans_linger: &AtomicBool,
        namespaces: &OnceLock<Namespaces>,
    ) -> Result<ResetAnswer, ResetError> {
        let is_dry = self.answer.dry_run;
        if !capability::has(Capability::NetAdmin) {
            return Err(ResetError::NoPrivilege);
        }
        let failed = |doing| move |source| ResetError::Failed { doing, source };
        let mut diagnosis = Diagnosis::open().map_err(failed("cannot query sockets"))?;
        let can = diagnosis.can_destroy();
        if !can.map_err(failed("cannot ask the kernel whether it closes sockets"))? {
            return Err(ResetError::NoSupport);
        }
        drop(diagnosis);
        let namespaces = namespaces.get_or_init(Namespaces::find);
        for (netns, candidates) in std::mem::take(&mut self.candidates) {
            match namespaces.enter(netns) {
                Ok(diagnosis) => {
                    let mut closing = Closing {
                        diagnosis,
                        is_dry,
                        orphans_linger,
                    };
                    for candidate in candidates {
                        let socket = closing.close(candidate);
                        self.answer.sockets.push(socket);
                    }
                }
                Err(reason) => {
                    let left = candidates.into_iter().map(|candidate| ResetSocket {
                        outcome: ResetOutcome::Failed,
                        reason: Some(reason.to_string()),
                        ..candidate.report
                    });
                    self.answer.sockets.extend(left);
                }
            }
        }
        Ok(self.counted())
    }

    /// What carrying it out would do as far as the engine knows, given that this agent `may_enter` a network
    /// namespace: nobody asks the kernel.
    pub(crate) fn foresee(mut self, may_enter: impl Fn(u32) -> bool) -> ResetAnswer {
        for (netns, candidates) in std::mem::take(&mut self.candidates) {
            let (outcome, reason) = if may_enter(netns) {
                (ResetOutcome::WouldReset, None)
            } else {
                (ResetOutcome::Failed, Some(NoAnswer::NoEntry.to_string()))
            };
            let sockets = candidates.into_iter().map(|candidate| ResetSocket {
                outcome,
                reason: reason.clone(),
                ..candidate.report
            });
            self.answer.sockets.extend(sockets);
        }
        self.counted()
    }

    fn counted(mut self) -> ResetAnswer {
        let done = [ResetOutcome::Reset, ResetOutcome::WouldReset];
        let answer = &mut self.answer;
        answer
            .sockets
            .sort_by_key(|socket| std::cmp::Reverse(socket.pinned_bytes));
        for socket in &answer.sockets {
            if done.contains(&socket.outcome) {
                answer.reset += 1;
                answer.freed_bytes += socket.pinned_bytes;
            }
        }
        self.answer
    }
}

/// Why nothing was closed, if sockets were still stalled: of those that could not be closed the first.
pub(crate) fn why_none(answer: &ResetAnswer) -> Option<String> {
    let in_vain = [ResetOutcome::Failed, ResetOutcome::LeftAlone];
    let mut sockets = answer.sockets.iter();
    let first = sockets.find(|socket| in_vain.contains(&socket.outcome))?;
    let reason = first.reason.as_deref().unwrap_or("no reason was given");
    (answer.reset == 0).then(|| reason.to_owned())
}

/// Which connections of a peer a request is about. Only these are taken out of the table, so that
/// no crowd of others stands before them.
#[derive(Clone, Debug)]
pub(crate) struct ResetFilter {
    /// A peer is a network where its address is IPv6; whoever names one address means that one.
    network: Option<IpNet>,
    names: Option<Vec<Name>>,
}

/// A [`SocketName`], read.
#[derive(Clone, Debug)]
struct Name {
    local: Option<SocketAddr>,
    remote: SocketAddr,
    netns: Option<u32>,
}

impl ResetFilter {
    pub(crate) fn of(request: &ResetRequest) -> Self {
        Self {
            network: network_of(&request.peer),
            // A name that is none names nothing.
            names: request
                .only
                .as_ref()
                .map(|names| names.iter().filter_map(Name::read).collect()),
        }
    }

    /// Whether the request is about a connection in this network namespace with these ends, stalled
    /// or not.
    pub(crate) fn wants(&self, netns: u32, local: SocketAddr, remote: SocketAddr) -> bool {
        let is_within = |network: &IpNet| network.contains(&remote.ip());
        let is_named = |name: &Name| {
            name.remote == remote
                && name.local.is_none_or(|named| named == local)
                && name.netns.is_none_or(|named| named == netns)
        };
        self.network.as_ref().is_none_or(is_within)
            && self
                .names
                .as_ref()
                .is_none_or(|names| names.iter().any(is_named))
    }
}

impl Name {
    fn read(name: &SocketName) -> Option<Self> {
        let address = |text: &str| text.parse().map(folded);
        Some(Self {
            local: name.local.as_deref().map(address).transpose().ok()?,
            remote: address(&name.remote).ok()?,
            netns: name.netns,
        })
    }
}

fn folded(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// `None` only if the engine's own spelling of an address could not be read back.
fn candidate(connection: &Connection, stall: StallCause) -> Option<Candidate> {
    Some(Candidate {
        ends: Ends {
            local: connection.local.parse().ok()?,
            remote: connection.remote.parse().ok()?,
        },
        inode: connection.inode,
        bytes_acked: connection.bytes_acked,
        mss_bytes: connection.mss_bytes,
        is_orphan: connection.is_orphan,
        report: ResetSocket {
            local: connection.local.clone(),
            remote: connection.remote.clone(),
            netns: connection.netns,
            state: connection.state.clone(),
            stall,
            stalled_seconds: connection.stalled_seconds,
            pinned_bytes: connection.pinned_bytes,
            processes: connection.processes.clone(),
            outcome: ResetOutcome::LeftAlone,
            reason: None,
        },
    })
}

impl Candidate {
    /// Why what the kernel has at these ends now is not to be closed.
    fn objection(&self, found: &Found) -> Option<(ResetOutcome, Option<&'static str>)> {
        let known = self.inode.map(|inode| inode & u64::from(u32::MAX));
        let is_other_inode =
            found.inode != 0 && known.is_some_and(|inode| inode != u64::from(found.inode));
        // No process takes up an orphan again.
        let is_adopted = self.is_orphan && found.inode != 0;
        if is_other_inode || is_adopted {
            let reason = "another socket has its addresses now";
            return Some((ResetOutcome::Gone, Some(reason)));
        }
        if !STATES.contains(&found.state) {
            return Some((
                ResetOutcome::Gone,
                Some("it has finished sending meanwhile"),
            ));
        }
        // What was acknowledged stays so.
        if found
            .bytes_acked
            .is_some_and(|acked| acked < self.bytes_acked)
        {
            let reason = "another socket has its addresses now";
            return Some((ResetOutcome::Gone, Some(reason)));
        }
        // Less than a segment is what a peer that teases takes. One that dribbles takes data all the
        // time; the engine has judged that it takes too little.
        let taken = found.bytes_acked.unwrap_or(self.bytes_acked);
        let taken = taken.saturating_sub(self.bytes_acked);
        let has_moved = self.report.stall != StallCause::Dribble && taken >= self.mss_bytes.max(1);
        if found.queued_bytes == 0 || has_moved {
            return Some((ResetOutcome::Resumed, None));
        }
        None
    }
}

/// The work within one network namespace.
struct Closing<'g> {
    diagnosis: Diagnosis,
    is_dry: bool,
    /// Whether an orphan has outlived being closed.
    orphans_linger: &'g AtomicBool,
}

impl Closing<'_> {
    fn close(&mut self, candidate: Candidate) -> ResetSocket {
        let ends = candidate.ends;
        let mut report = candidate.report.clone();
        let (outcome, reason) = match self.diagnosis.find(ends) {
            Ok(None) => (ResetOutcome::Gone, None),
            Err(error) => (ResetOutcome::Failed, Some(error.to_string())),
            Ok(Some(found)) => {
                if let Some(pinned_bytes) = found.pinned_bytes {
                    report.pinned_bytes = pinned_bytes.into();
                }
                match candidate.objection(&found) {
                    Some((outcome, reason)) => (outcome, reason.map(str::to_owned)),
                    None => self.close_found(&candidate, &found),
                }
            }
        };
        ResetSocket {
            outcome,
            reason,
            ..report
        }
    }

    fn close_found(
        &mut self,
        candidate: &Candidate,
        found: &Found,
    ) -> (ResetOutcome, Option<String>) {
        let is_orphan = candidate.is_orphan || found.inode == 0;
        if is_orphan && self.orphans_linger.load(Ordering::Relaxed) {
            return (ResetOutcome::LeftAlone, Some(LINGERS.to_owned()));
        }
        if self.is_dry {
            return (ResetOutcome::WouldReset, None);
        }
        match self.diagnosis.destroy(candidate.ends, found) {
            Ok(true) => {}
            Ok(false) => return (ResetOutcome::Gone, None),
            Err(error) => return (ResetOutcome::Failed, Some(error.to_string())),
        }
        if is_orphan && self.is_still_there(candidate.ends, found) {
            self.orphans_linger.store(true, Ordering::Relaxed);
            return (ResetOutcome::Reset, Some(LINGERS.to_owned()));
        }
        (ResetOutcome::Reset, None)
    }

    fn is_still_there(&mut self, ends: Ends, closed: &Found) -> bool {
        let found = self.diagnosis.find(ends);
        found.is_ok_and(|found| found.is_some_and(|found| found.is_same(closed)))
    }
}

#[cfg(test)]
mod tests;
