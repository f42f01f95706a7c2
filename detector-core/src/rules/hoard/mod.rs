//! Stall hoard: many stalled connections, or much memory pinned by them, of one peer, of its network,
//! or of peers whose connections have the same fingerprint.
//!
//! Groups are looked at from their members, each time one of those is judged: so a change of a large
//! group costs nothing at once, and reaches each member with its next observation.

mod groups;
mod together;

pub(crate) use groups::{Group, PEERS_IN_COMPANY, Tally, are_company, counted_part};
pub(crate) use together::{Joined, Member, Membership, PeerGroups, Spared};

use crate::observe::peer_address::PeerAddress;
use crate::rules::fingerprint::Fingerprint;
use crate::rules::stall::{StallClass, Stalls, Usage};
use crate::settings::DetectSettings;
use detector_api::snapshot::Severity;

/// Part of the connections of a hoard from which a peer matters enough for a warning.
const WARNING_CONNECTIONS_PART: u64 = 4;

/// Part of its bytes: by default more than the connections of one browser pin where `tcp_wmem` is the kernel's own.
const WARNING_BYTES_PART: u64 = 2;

/// Fewer stalled connections than this are never a warning by their number.
const WARNING_CONNECTIONS_LEAST: u64 = 2;

/// So many connections a browser opens to one host (HTTP/1.1), which may all be in one tunnel.
const BROWSER_CONNECTIONS: u64 = 6;

/// The hoard of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hoard {
    /// Whether all its stalls reach the thresholds, connections that we opened aside.
    pub(crate) is_alone: bool,
    /// Whether those below the drain floor do, connections that we opened aside, and are more than a
    /// few. Connections that were never read count as such from the start.
    pub(crate) is_blocked_hoard: bool,
    /// Whether those do that cost more than a pause.
    is_beyond_pause: bool,
    /// Whether its network does, and it takes part.
    is_in_network: bool,
    /// Blocked connections that come by our way in. While there are any, what is held elsewhere makes it no part of a
    /// hoard of others: in a network of his own anybody may play its address, and whatever others he likes.
    blocked_on_our_way: u32,
    on_our_way: Alike,
    elsewhere: Alike,
}

/// A peer's part in hoards of peers with the same fingerprint.
#[derive(Clone, Copy, Debug, Default)]
struct Alike {
    /// Connections counted with others of theirs that do hoard.
    connections: u32,
    /// What those have in common.
    fingerprint: Option<Fingerprint>,
}

impl Hoard {
    /// Judges what the peer's stalls cost, alone and with others. Returns whether it hoards now,
    /// where that is to be flagged: as it begins or ends, and once more when the hoard becomes
    /// more than a pause.
    pub(crate) fn observe(
        &mut self,
        joined: Joined,
        stalls: &Stalls,
        network: Option<&Group>,
        settings: &DetectSettings,
    ) -> Option<bool> {
        let before = *self;
        self.blocked_on_our_way = self.blocked_on_our_way_after(&joined);
        let alike = if joined.is_on_our_way {
            &mut self.on_our_way
        } else {
            &mut self.elsewhere
        };
        alike.connections -= u32::from(joined.was_in_group);
        alike.connections += u32::from(joined.group.is_some());
        alike.fingerprint = joined.group.or(alike.fingerprint);
        let blocked = stalls.sum(StallClass::is_blocked_by_peer);
        let takes_part = blocked.stalled_connections > 0;
        let never_read = stalls.of(StallClass::NeverRead);
        let is_cost = |class: StallClass| class.is_beyond_pause() && !class.is_outbound();
        let beyond_pause = stalls.sum(is_cost) + never_read;
        let opened_by_us = stalls.sum(StallClass::is_outbound);
        let of_peer = stalls.all() - opened_by_us;
        self.is_alone = is_hoarding(of_peer, self.is_alone, settings);
        let held = blocked + never_read;
        self.is_blocked_hoard = is_hoarding(held, self.is_blocked_hoard, settings)
            && held.stalled_connections >= fewest_accused(self.is_blocked_hoard, settings);
        self.is_beyond_pause = is_hoarding(beyond_pause, self.is_beyond_pause, settings);
        self.is_in_network = takes_part && network.is_some_and(|group| group.all.hoards);
        let is_worse = self.is_beyond_pause && !before.is_beyond_pause;
        let is_flagged = before.is_hoard() != self.is_hoard() || is_worse;
        is_flagged.then(|| self.is_hoard())
    }

    /// Connections that were never read, where they make a hoard.
    pub(crate) fn never_read(&self, stalls: &Stalls) -> Usage {
        if self.is_blocked_hoard {
            stalls.of(StallClass::NeverRead)
        } else {
            Usage::default()
        }
    }

    /// Whether the peer hoards, alone or with others.
    const fn is_hoard(&self) -> bool {
        self.is_alone || self.is_with_others()
    }

    /// Whether it hoards together with others.
    pub(crate) const fn is_with_others(&self) -> bool {
        self.is_in_network || self.alike().connections > 0
    }

    /// Whether it takes part on our way in hoards of others; else elsewhere, if at all.
    pub(crate) const fn is_on_our_way(&self) -> bool {
        self.blocked_on_our_way > 0
    }

    /// The same once a connection of it is counted so.
    pub(crate) fn is_on_our_way_after(&self, joined: &Joined) -> bool {
        self.blocked_on_our_way_after(joined) > 0
    }

    fn blocked_on_our_way_after(&self, joined: &Joined) -> u32 {
        let count = |is_blocked: bool| u32::from(joined.is_on_our_way && is_blocked);
        self.blocked_on_our_way + count(joined.is_blocked) - count(joined.was_blocked)
    }

    /// Its part on the way on which it takes part.
    const fn alike(&self) -> &Alike {
        if self.is_on_our_way() {
            &self.on_our_way
        } else {
            &self.elsewhere
        }
    }

    /// The group of its network, if that hoards and the peer takes part.
    pub(crate) fn network<'a>(
        &self,
        peer: PeerAddress,
        groups: &'a PeerGroups,
    ) -> Option<&'a Group> {
        let above = groups.network_above(self.is_on_our_way(), peer);
        above.filter(|_| self.is_in_network)
    }

    /// The group of its fingerprint, if that hoards and the peer takes part.
    pub(crate) fn same_fingerprint<'a>(&self, groups: &'a PeerGroups) -> Option<&'a Group> {
        let alike = self.alike();
        let takes_part = alike.connections > 0;
        groups.fingerprint(alike.fingerprint.filter(|_| takes_part)?)
    }

    /// How much the peer matters: by what of its stalls is no pause, and a warning at least where
    /// it takes part in a hoard of many, or keeps the memory of a hoard for long. A reader that
    /// drains, if slowly, costs no more than others do.
    pub(crate) fn severity(&self, stalls: &Stalls, settings: &DetectSettings) -> Severity {
        let beyond_pause = stalls.sum(StallClass::is_beyond_pause) + self.never_read(stalls);
        let own = severity_of(beyond_pause, settings);
        let pins_for_long = stalls.of(StallClass::LongDrain).pinned_bytes >= settings.hoard_bytes;
        if self.is_with_others() || pins_for_long {
            own.max(Severity::Warning)
        } else {
            own
        }
    }
}

/// Fewer connections below the drain floor accuse nobody, whatever they pin: where a send buffer may grow
/// to tens of megabytes, the paused downloads of one browser hold as much. Somebody accused is let off below
/// three quarters.
pub(crate) fn fewest_accused(was_accused: bool, settings: &DetectSettings) -> u64 {
    let fewest = warning_connections(settings);
    if was_accused {
        fewest - fewest / 4
    } else {
        fewest
    }
}

/// Whether the peer hoards. One that does must fall below three quarters of both thresholds to
/// be let off, so that a peer at the threshold does not raise a flag at each step.
pub(crate) const fn is_hoarding(
    usage: Usage,
    was_hoarding: bool,
    settings: &DetectSettings,
) -> bool {
    let Usage {
        stalled_connections,
        pinned_bytes,
    } = usage;
    if stalled_connections == 0 {
        return false;
    }
    let (connections, bytes) = if was_hoarding {
        (
            settings.hoard_connections - settings.hoard_connections / 4,
            settings.hoard_bytes - settings.hoard_bytes / 4,
        )
    } else {
        (settings.hoard_connections, settings.hoard_bytes)
    };
    stalled_connections >= connections || pinned_bytes >= bytes
}

/// How much a peer matters, by what of its stalls is no pause.
///
/// Critical from the hoard thresholds; a warning from a quarter of the connections, if
/// those are more than a browser opens, or half of the bytes. So a lone stall of a few kilobytes is `info` for ever.
fn severity_of(usage: Usage, settings: &DetectSettings) -> Severity {
    if is_hoarding(usage, false, settings) {
        return Severity::Critical;
    }
    let warning_bytes = (settings.hoard_bytes / WARNING_BYTES_PART).max(1);
    if usage.stalled_connections >= warning_connections(settings)
        || usage.pinned_bytes >= warning_bytes
    {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// From how many connections a peer matters enough for a warning.
fn warning_connections(settings: &DetectSettings) -> u64 {
    let more_than_a_browser = (BROWSER_CONNECTIONS + 1).min(settings.hoard_connections);
    let part = settings.hoard_connections / WARNING_CONNECTIONS_PART;
    part.max(more_than_a_browser).max(WARNING_CONNECTIONS_LEAST)
}

#[cfg(test)]
mod tests {
    use super::{fewest_accused, is_hoarding, severity_of};
    use crate::rules::stall::Usage;
    use crate::settings::DetectSettings;
    use detector_api::snapshot::Severity;

    const fn usage(stalled_connections: u64, pinned_bytes: u64) -> Usage {
        Usage {
            stalled_connections,
            pinned_bytes,
        }
    }

    #[test]
    fn cost_alone_makes_severity() {
        let settings = DetectSettings::default();
        let of = |connections, bytes| severity_of(usage(connections, bytes), &settings);
        assert_eq!(of(0, 0), Severity::Info);
        assert_eq!(of(1, 4_300_000), Severity::Info);
        assert_eq!(of(6, 6 * 4_220_292), Severity::Info, "one browser");
        assert_eq!(of(7, 0), Severity::Warning);
        assert_eq!(of(1, 32 << 20), Severity::Warning);
        assert_eq!(of(20, 0), Severity::Critical);
        assert_eq!(of(1, 64 << 20), Severity::Critical);
    }

    #[test]
    fn no_browser_is_accused_unless_the_operator_asks_for_it() {
        for (hoard_connections, fewest) in [(1, 2), (2, 2), (5, 5), (20, 7), (28, 7), (100, 25)] {
            let settings = DetectSettings {
                hoard_connections,
                ..DetectSettings::default()
            };
            assert_eq!(fewest_accused(false, &settings), fewest);
        }
    }

    #[test]
    fn a_lone_stall_is_no_warning_even_with_the_lowest_thresholds() {
        let settings = DetectSettings {
            hoard_connections: 2,
            ..DetectSettings::default()
        };
        assert_eq!(severity_of(usage(1, 4_096), &settings), Severity::Info);
    }

    #[test]
    fn a_hoarder_is_let_off_below_three_quarters() {
        let settings = DetectSettings::default();
        assert!(!is_hoarding(usage(19, 0), false, &settings));
        assert!(is_hoarding(usage(20, 0), false, &settings));
        assert!(is_hoarding(usage(15, 0), true, &settings));
        assert!(!is_hoarding(usage(14, 0), true, &settings));
        assert!(!is_hoarding(usage(0, 0), true, &settings));
    }
}
