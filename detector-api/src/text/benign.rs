//! The benign causes that were considered, and what was found of each.

use super::figures::{connections, counted, span, unknown_code};
use crate::snapshot::{BenignCause, Considered, Outcome};
use crate::units::{pace, seconds};

/// The words of an outcome, as a label.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::RuledOut => "ruled out",
        Outcome::Possible => "possible",
        Outcome::Likely => "likely",
    }
}

/// A cause and the numbers that decide it.
pub fn considered(considered: &Considered) -> String {
    let (cause, found) = match &considered.cause {
        BenignCause::ScalingGranularity {
            granularity_retreats,
            shrinks,
        } => (
            "rounding of a scaled window",
            format!(
                "{} within the rounding bound, {} beyond it",
                counted(*granularity_retreats, "retreat", "retreats"),
                counted(*shrinks, "shrink", "shrinks"),
            ),
        ),
        BenignCause::ReceiverOutOfMemory {
            quick_reopens,
            reopen_seconds_bound,
            shrinks_treason,
        } => (
            "a receiver short of memory",
            format!(
                "{quick_reopens} of {} to zero opened again within {}",
                counted(*shrinks_treason, "shrink", "shrinks"),
                span(*reopen_seconds_bound),
            ),
        ),
        BenignCause::ShrinkingKernel {
            shrinks,
            holding_connections,
        } => (
            "a host with net.ipv4.tcp_shrink_window=1",
            format!(
                "{}, {} that drain nothing",
                counted(*shrinks, "shrink", "shrinks"),
                connections(*holding_connections),
            ),
        ),
        BenignCause::PausedReader {
            recovered_stalls,
            holding_connections,
            longest_stall_seconds,
        } => (
            "a reader on pause",
            format!(
                "{} ended by reading on, {holding_connections} drain nothing, longest stall {}",
                counted(*recovered_stalls, "stall", "stalls"),
                seconds(*longest_stall_seconds),
            ),
        ),
        BenignCause::IdleKeepAlive {
            stalled_connections,
        } => (
            "an idle connection",
            format!("{} with data waiting", connections(*stalled_connections)),
        ),
        BenignCause::SlowReader {
            drain_bytes_per_second,
            floor_bytes_per_second,
            holding_connections,
        } => (
            "a slow but steady reader",
            format!(
                "takes {}, the floor is {}; {} below it",
                pace(*drain_bytes_per_second),
                pace(*floor_bytes_per_second),
                connections(*holding_connections),
            ),
        ),
        BenignCause::PathLoss {
            unanswered_connections,
            silences_ended,
            interface_errors,
            networks,
        } => (
            "loss on the path",
            format!(
                "{} unanswered, {} ended with an answer, {} silent at once, {} of our interfaces",
                connections(*unanswered_connections),
                counted(*silences_ended, "silence", "silences"),
                counted(*networks, "network", "networks"),
                counted(*interface_errors, "error", "errors"),
            ),
        ),
        BenignCause::Middlebox {
            networks,
            networks_bound,
        } => (
            "a box on the path",
            format!(
                "{} with the same symptom at once, {networks_bound} or more count as many",
                counted(*networks, "network", "networks"),
            ),
        ),
        BenignCause::SharedAddress {
            stalled_connections,
            connections_all,
            connections_well,
            came_connections,
            went_connections,
            ended_well_connections,
        } => (
            "an address that many share",
            format!(
                "{stalled_connections} of {} stalled, {connections_well} take what they are sent, \
                 {came_connections} came and {went_connections} went between two looks; \
                 {ended_well_connections} were well over the past hours",
                connections(*connections_all),
            ),
        ),
        BenignCause::Other { code, numbers } => return unknown_code(code, numbers),
    };
    format!("{cause}: {found}")
}
