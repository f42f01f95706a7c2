//! What can speak for or against a verdict.

use super::InterfaceCounts;
use super::numbers::{coded, numbers};
use super::{AlikeNumbers, NetworkNumbers};

numbers! {
    /// The thresholds of a hoard, and what is held against them.
    HoardThresholds {
        /// Threshold in connections.
        hoard_connections: u64,
        /// Threshold in bytes.
        hoard_bytes: u64,
    }
}

coded! {
    /// Something that speaks for or against a verdict.
    Evidence("code") {
        /// The peer alone holds as much as the hoard thresholds.
        HoardOfPeer = "hoard-of-peer" {
            @all hoard: HoardThresholds,
            /// Its stalled connections.
            stalled_connections: u64,
            /// What they pin.
            pinned_bytes: u64,
        }
        /// Peers of its network hold that much together.
        HoardOfNetwork = "hoard-of-network" {
            @all hoard: HoardThresholds,
            @all network: NetworkNumbers,
        }
        /// Peers whose connections look and act the same hold that much together.
        HoardByLikeness = "hoard-by-likeness" {
            @all hoard: HoardThresholds,
            @all alike: AlikeNumbers,
        }
        /// Connections that took less than the floor over a whole span.
        DrainsNothing = "drains-nothing" {
            /// How many.
            holding_connections: u64,
            /// What they pin.
            holding_pinned_bytes: u64,
            /// The floor for one connection.
            floor_bytes_per_second: u64,
            /// Length of the span.
            over_seconds: f64,
        }
        /// Connections of a hoard that offered next to nothing from their first byte on and took no
        /// more than that, before a whole span has passed.
        NeverRead = "never-read" {
            /// How many.
            never_read_connections: u64,
            /// What they pin.
            never_read_pinned_bytes: u64,
            /// The most that their windows, and what they took, may be.
            never_read_bytes_bound: u64,
        }
        /// Connections that stand still like very many before them, which ended unread, by whichever side: a hoard that is
        /// opened anew before any of it has been held for a whole span.
        OpenedAnew = "opened-anew" {
            /// How many stand still.
            renewed_connections: u64,
            /// What they pin.
            renewed_pinned_bytes: u64,
            /// How many ended so within the last ten to twenty minutes.
            abandoned_connections: u64,
        }
        /// Connections held up by a zero window.
        ZeroWindow = "zero-window" {
            /// How many.
            connections: u64,
        }
        /// Connections whose window is open but too small for the next segment.
        SmallWindow = "small-window" {
            /// How many.
            connections: u64,
        }
        /// Connections read at a dribble.
        Dribble = "dribble" {
            /// How many.
            connections: u64,
            /// The longest expected time to drain.
            drain_seconds: f64,
            /// The floor for one connection.
            floor_bytes_per_second: u64,
        }
        /// Connections without an answer.
        Unanswered = "unanswered" {
            /// How many.
            connections: u64,
        }
        /// Shrinks that took back data in flight, lately.
        WindowShrinks = "window-shrinks" {
            /// To a window above zero.
            shrinks_below_flight: u64,
            /// To zero.
            shrinks_treason: u64,
            /// Connections that are shrunk now.
            connections: u64,
        }
        /// Shrinks that took back nothing in flight.
        PoliteShrinks = "polite-shrinks" {
            /// Connections that are shrunk now.
            connections: u64,
            /// How many.
            shrinks_polite: u64,
        }
        /// Connections that make each byte cost a packet.
        TinyWindow = "tiny-window" {
            /// How many.
            connections: u64,
        }
        /// Connections that we opened.
        WeAreTheClient = "we-are-the-client" {
            /// Those that are held up.
            outgoing_connections: u64,
            /// Those of them that drain nothing.
            holding_connections: u64,
        }
        /// Silences that ended with an acknowledgement: the path lost segments.
        SilencesEnded = "silences-ended" {
            /// How many.
            silences_ended: u64,
        }
        /// The same symptom in many unrelated networks at once.
        ManyUnrelatedPeers = "many-unrelated-peers" {
            /// In how many.
            networks: u64,
            /// From how many on they are many.
            networks_bound: u64,
            /// Within how long.
            over_seconds: f64,
        }
        /// Error counters of this host's interfaces rise.
        InterfaceErrors = "interface-errors" {
            @all interfaces: InterfaceCounts,
            /// Within how long.
            over_seconds: f64,
        }
        /// The peer takes data.
        Drains = "drains" {
            /// All its connections together.
            drain_bytes_per_second: u64,
            /// The floor for all its stalled connections together.
            floor_bytes_per_second: u64,
        }
        /// Stalls that ended lately because the peer read on.
        Recovered = "recovered" {
            /// How many, each connection once.
            recovered_stalls: u64,
        }
        /// The peer holds less than a hoard.
        BelowThresholds = "below-thresholds" {
            @all hoard: HoardThresholds,
            /// Its stalled connections.
            stalled_connections: u64,
            /// What they pin.
            pinned_bytes: u64,
        }
        /// It holds a hoard, but too little of that has drained nothing over a whole span to tell it
        /// from a pause.
        TooShort = "too-short" {
            /// Connections that have.
            holding_connections: u64,
            /// Length of the span.
            over_seconds: f64,
        }
        /// It holds as much memory as a hoard in so few connections that they may be paused downloads.
        TooFew = "too-few" {
            /// Connections that have drained nothing over a whole span.
            holding_connections: u64,
            /// From how many on somebody is accused.
            connections_bound: u64,
        }
        /// The other end is a program on this host, for instance a proxy between a client and a
        /// server: whoever holds up the proxy is counted, not this.
        WithinHost = "within-host" {
            /// Its stalled connections of that kind, which are counted nowhere else.
            connections: u64,
        }
        /// Others use its address, who behave.
        OthersBehave = "others-behave" {
            /// All its connections.
            connections_all: u64,
            /// Those of them that take what they are sent.
            connections_well: u64,
            /// Connections that ended with all taken over the past hours, or as many as were well then at one
            /// time.
            ended_well_connections: u64,
        }
        /// It holds together with others of its network, of which as many more behave.
        NetworkBehaves = "network-behaves" {
            /// All connections of the network.
            network_connections_all: u64,
            /// Those of them that take what they are sent.
            network_connections_well: u64,
            /// The same of its connections over the past hours.
            network_ended_well_connections: u64,
        }
        /// The kernel has not told of all connections, of it or of its network, so it is not accused.
        NotCounted = "not-counted" {}
        /// The peer belongs to a trusted network.
        TrustedNetwork = "trusted-network" {}
        /// Shrinks to zero that opened again at once.
        QuickReopens = "quick-reopens" {
            /// How many.
            quick_reopens: u64,
        }
        /// Nothing is flagged any more.
        Quiet = "quiet" {
            /// For how long.
            quiet_seconds: f64,
        }
    }
}
