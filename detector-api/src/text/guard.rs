//! What the guard does, in a sentence.

use super::figures::counted;
use crate::snapshot::{GuardAct, GuardStep};
use crate::units;

/// `the guard would reset 30 stalled connections and free 126 MB: …`
#[must_use]
pub fn guard_step(step: &GuardStep) -> String {
    let freed = units::bytes(step.freed_bytes);
    let connections = counted(step.reset, "stalled connection", "stalled connections");
    let done = match (step.act, step.dry_run) {
        (GuardAct::Reset, false) => format!("has reset {connections} and freed {freed}"),
        (GuardAct::Reset, true) => format!("would reset {connections} and free {freed}"),
        (GuardAct::Limit, false) => "has limited its new connections".to_owned(),
        (GuardAct::Limit, true) => "would limit its new connections".to_owned(),
        (GuardAct::Block, false) => "has blocked it".to_owned(),
        (GuardAct::Block, true) => "would block it".to_owned(),
    };
    let mut line = format!("the guard {done}");
    if let Some(until) = &step.until {
        line += &format!(" until {until}");
    }
    if let Some(well) = step.well_behaved {
        let cut = counted(well, "connection", "connections");
        line += &format!(", and with it {cut} of good behaviour");
    }
    line += &format!(": {}", step.because);
    if let Some(failure) = &step.failure {
        line += &format!("; it failed: {failure}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::guard_step;
    use crate::snapshot::{GuardAct, GuardStep};

    #[test]
    fn a_step_is_told_as_done_or_as_what_would_be() {
        let reset = GuardStep {
            act: GuardAct::Reset,
            dry_run: true,
            because: "stalled connections pin 300 MB".to_owned(),
            reset: 30,
            freed_bytes: 126_000_000,
            until: None,
            well_behaved: None,
            failure: None,
        };
        assert_eq!(
            guard_step(&reset),
            "the guard would reset 30 stalled connections and free 126 MB: \
             stalled connections pin 300 MB"
        );
        let block = GuardStep {
            act: GuardAct::Block,
            dry_run: false,
            until: Some("2026-12-29T21:15:00.000Z".to_owned()),
            well_behaved: Some(1),
            ..reset
        };
        assert_eq!(
            guard_step(&block),
            "the guard has blocked it until 2026-12-29T21:15:00.000Z, and with it 1 connection of good \
             behaviour: stalled connections pin 300 MB"
        );
    }
}
