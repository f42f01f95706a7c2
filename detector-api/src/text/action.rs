//! Words for what operators have done to peers: for the commands and for `detector top`.

use crate::actions::{BlockAnswer, ResetAnswer, ResetOutcome, ResetSocket, UnblockAnswer};
use crate::snapshot::Process;
use crate::units;
use std::time::Duration;

/// What a reset came to, in one line.
pub fn reset_summary(answer: &ResetAnswer) -> String {
    let peer = &answer.peer;
    if answer.sockets.is_empty() {
        let span = units::seconds(answer.stalled_for_seconds);
        let young = match answer.too_young {
            0 => String::new(),
            some => format!(", {some} for less"),
        };
        return format!(
            "nothing to reset: no connection of {peer} has been stalled for {span}{young}"
        );
    }
    let sockets = match answer.reset {
        1 => "1 stalled socket".to_owned(),
        number => format!("{number} stalled sockets"),
    };
    let bytes = units::bytes(answer.freed_bytes);
    let all = answer.sockets.len() as u64;
    let of = if answer.reset == all {
        String::new()
    } else {
        format!(" (of {all})")
    };
    if answer.dry_run {
        format!("would reset {sockets}{of} of {peer} and free {bytes}")
    } else {
        format!("reset {sockets}{of} of {peer}, freed {bytes}")
    }
}

/// Stalled sockets that the kernel would not close.
pub fn reset_failures(answer: &ResetAnswer) -> usize {
    let failed = |socket: &&ResetSocket| socket.outcome == ResetOutcome::Failed;
    answer.sockets.iter().filter(failed).count()
}

/// What a block came to, in one line.
pub fn block_summary(answer: &BlockAnswer) -> String {
    let BlockAnswer { network, until, .. } = answer;
    let would = if answer.dry_run {
        "would drop"
    } else {
        "drops"
    };
    let span = units::seconds(Duration::from_secs(answer.for_seconds).as_secs_f64());
    let before = match &answer.was_blocked_until {
        Some(before) => format!("; it is blocked until {before} already"),
        None => String::new(),
    };
    format!("{would} all that {network} sends for {span}, until {until}{before}")
}

/// What unblocking came to, in one line.
#[must_use]
pub fn unblock_summary(answer: &UnblockAnswer) -> String {
    let done = if answer.dry_run {
        "would unblock"
    } else {
        "unblocked"
    };
    format!(
        "{done} {}; the block would have lasted until {}",
        answer.network, answer.was_blocked_until
    )
}

/// Who holds a socket, the most plausible first.
pub fn owner(processes: &[Process]) -> String {
    let Some(process) = processes.first() else {
        return "-".to_owned();
    };
    let mut text = format!("{}[{}]", process.comm, process.pid);
    if let Some(unit) = &process.unit {
        text += &format!(" {unit}");
    }
    if processes.len() > 1 {
        text += &format!(" +{}", processes.len() - 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{reset_failures, reset_summary};
    use crate::actions::{ResetAnswer, ResetOutcome, ResetSocket};
    use crate::snapshot::StallCause;

    fn socket(outcome: ResetOutcome) -> ResetSocket {
        ResetSocket {
            local: "192.0.2.1:80".to_owned(),
            remote: "198.51.100.7:40000".to_owned(),
            netns: 1,
            state: "ESTABLISHED".to_owned(),
            stall: StallCause::ZeroWindow,
            stalled_seconds: 60.0,
            pinned_bytes: 4_220_292,
            processes: Vec::new(),
            outcome,
            reason: None,
        }
    }

    fn answer(sockets: Vec<ResetSocket>, dry_run: bool) -> ResetAnswer {
        ResetAnswer {
            peer: "198.51.100.7".to_owned(),
            dry_run,
            stalled_for_seconds: 30.0,
            reset: sockets.len() as u64 / 2 + 1,
            freed_bytes: 4_220_292,
            too_young: 2,
            not_looked_at: 0,
            sockets,
        }
    }

    #[test]
    fn summaries_say_what_was_done_and_what_was_not() {
        let would = answer(vec![socket(ResetOutcome::WouldReset)], true);
        assert_eq!(
            reset_summary(&would),
            "would reset 1 stalled socket of 198.51.100.7 and free 4.2 MB"
        );
        let some = vec![
            socket(ResetOutcome::Reset),
            socket(ResetOutcome::Reset),
            socket(ResetOutcome::Failed),
        ];
        let done = answer(some, false);
        assert_eq!(
            reset_summary(&done),
            "reset 2 stalled sockets (of 3) of 198.51.100.7, freed 4.2 MB"
        );
        assert_eq!(reset_failures(&done), 1);
        assert_eq!(
            reset_summary(&answer(Vec::new(), false)),
            "nothing to reset: no connection of 198.51.100.7 has been stalled for 30 s, 2 for less"
        );
    }
}
