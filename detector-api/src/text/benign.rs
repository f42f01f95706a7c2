//! The benign causes that were considered, and what was found of each.

use super::figures::Figures;
use crate::snapshot::{BenignCause, Considered, Outcome};

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
    let figures = Figures(&considered.numbers);
    let (cause, found) = match considered.cause {
        BenignCause::ScalingGranularity => (
            "rounding of a scaled window",
            format!(
                "{} within the rounding bound, {} beyond it",
                figures.many("granularity_retreats", "retreat", "retreats"),
                figures.many("shrinks", "shrink", "shrinks"),
            ),
        ),
        BenignCause::ReceiverOutOfMemory => (
            "a receiver short of memory",
            format!(
                "{} of {} to zero opened again within a second",
                figures.show("quick_reopens"),
                figures.many("shrinks_treason", "shrink", "shrinks"),
            ),
        ),
        BenignCause::ShrinkingKernel => (
            "a host with net.ipv4.tcp_shrink_window=1",
            format!(
                "{}, {} that drain nothing",
                figures.many("shrinks", "shrink", "shrinks"),
                figures.connections("holding_connections"),
            ),
        ),
        BenignCause::PausedReader => (
            "a reader on pause",
            format!(
                "{} ended by reading on, {} drain nothing, longest stall {}",
                figures.many("recovered_stalls", "stall", "stalls"),
                figures.show("holding_connections"),
                figures.show("longest_stall_seconds"),
            ),
        ),
        BenignCause::IdleKeepAlive => (
            "an idle connection",
            format!(
                "{} with data waiting",
                figures.connections("stalled_connections")
            ),
        ),
        BenignCause::SlowReader => (
            "a slow but steady reader",
            format!(
                "takes {}, the floor is {}; {} below it",
                figures.show("drain_bytes_per_second"),
                figures.show("floor_bytes_per_second"),
                figures.connections("holding_connections"),
            ),
        ),
        BenignCause::PathLoss => (
            "loss on the path",
            format!(
                "{} unanswered, {} ended with an answer, {} silent at once, {} of our interfaces",
                figures.connections("unanswered_connections"),
                figures.many("silences_ended", "silence", "silences"),
                figures.many("networks", "network", "networks"),
                figures.many("interface_errors", "error", "errors"),
            ),
        ),
        BenignCause::Middlebox => (
            "a box on the path",
            format!(
                "{} with the same symptom at once, many are {}",
                figures.many("networks", "network", "networks"),
                figures.show("networks_bound"),
            ),
        ),
    };
    format!("{cause}: {found}")
}
