//! What the writer does when not all, or nothing, can be written.

use super::Writer;
use crate::daemon::recorder::opening::{gap_reason, report_set_aside};
use crate::daemon::recorder::unwritten::Unwritten;
use crate::recording::now;
use detector_recorder::{ClockReading, GapReason, RecorderError, Written};

/// Not all could be written from a moment on.
pub(super) struct Lack {
    unwritten: Unwritten,
    reason: GapReason,
    /// Not even what was found.
    is_total: bool,
    /// It began with what the recorder tells by itself.
    is_told: bool,
}

impl Writer {
    /// Has the batch that waits tell from when to when nothing was written: it is in the file with the first
    /// batch that is, or it waits on.
    pub(super) fn report_lack(&mut self) {
        let Some(lack) = self.lack.as_mut().filter(|lack| !lack.is_told) else {
            return;
        };
        lack.unwritten.prolong(now());
        self.waiting.gaps.extend(lack.unwritten.gaps(lack.reason));
    }

    /// Says when room runs short and when all is written again.
    pub(super) fn settle(&mut self, written: Written, at: ClockReading) {
        let before = self.lack.take();
        let had_none = before.is_none();
        let was_total = before.is_some_and(|lack| lack.is_total);
        if written.lacks_room {
            if had_none || was_total {
                tracing::error!(
                    "little room is left for {}: seconds are not recorded any more, only what is \
                     found; make room on its file system",
                    self.recorder.file().display()
                );
            }
            self.lack = Some(Lack {
                unwritten: Unwritten::since(at),
                reason: GapReason::DiskFull,
                is_total: false,
                is_told: true,
            });
        } else if !had_none {
            tracing::info!("all is recorded again");
        }
    }

    pub(super) fn keep_for_later(&mut self, error: &RecorderError) {
        self.count(|counts| counts.failures += 1);
        let samples = self.waiting.drop_samples();
        self.count(|counts| counts.samples_left_out += samples);
        if error.is_damage() {
            self.replace(error);
            return;
        }
        if let RecorderError::Removed { .. } = error {
            self.begin_again(error);
            return;
        }
        if !self.is_lacking_all() {
            let hint = error.hint().map(|hint| format!("; {hint}"));
            let hint = hint.unwrap_or_default();
            tracing::error!("{error}; what is found meanwhile waits in memory{hint}");
        }
        self.fail(error);
    }

    /// Goes on with a new file.
    fn replace(&mut self, error: &RecorderError) {
        match self.recorder.replace(&self.identity.at(now())) {
            Ok(_) => {
                tracing::error!("{error}; it is set aside and a new one is begun");
                self.count(|counts| counts.files_set_aside += 1);
            }
            Err(why) => {
                if !self.is_lacking_all() {
                    tracing::error!(
                        "{error}, and a new one cannot be begun: {why}; what is found meanwhile waits in memory"
                    );
                }
                self.fail(&why);
            }
        }
    }

    /// Goes on where the file was removed.
    fn begin_again(&mut self, error: &RecorderError) {
        match self.recorder.begin_again(&self.identity.at(now())) {
            Ok(aside) => {
                tracing::error!("{error}; a new one is begun");
                if let Some(aside) = aside {
                    report_set_aside(&self.state, &aside);
                }
            }
            Err(why) => {
                if !self.is_lacking_all() {
                    // Landlock knows folders as they were at the start, not by their names.
                    tracing::error!(
                        "{error}, and a new one cannot be begun: {why}; if its folder is gone, restart the agent"
                    );
                }
                self.fail(&why);
            }
        }
    }

    /// Nothing can be written for now, for want of a file or otherwise.
    fn fail(&mut self, error: &RecorderError) {
        self.lack_all(gap_reason(error));
        self.state.recording.lock_status().failure = Some(error.to_string());
        // Told without being written is better than not told.
        for incident in &self.waiting.incidents {
            self.incident_log.log_one(incident);
        }
    }

    fn lack_all(&mut self, reason: GapReason) {
        // Nothing waits where something else than writing has shown it.
        let at = if self.waiting.is_empty() {
            now()
        } else {
            self.waiting.at
        };
        // What the recorder tells by itself ends with what it could still write.
        let goes_on = self.lack.take().filter(|lack| !lack.is_told);
        let unwritten = goes_on.map(|lack| lack.unwritten);
        let mut unwritten = unwritten.unwrap_or_else(|| Unwritten::since(at));
        unwritten.prolong(at);
        self.lack = Some(Lack {
            unwritten,
            reason,
            is_total: true,
            is_told: false,
        });
    }

    /// Whether not even what is found can be written.
    pub(super) fn is_lacking_all(&self) -> bool {
        self.lack.as_ref().is_some_and(|lack| lack.is_total)
    }
}
