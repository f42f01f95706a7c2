//! Sets the clock of a machine back by an hour and forwards again while its agent records: each second must
//! be in the file, in the order in which it came, both steps told, and nothing crossed out that was seen.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::disk::Disk;
use super::folder;
use super::machine::{Boot, KERNEL};
use crate::command::output;
use crate::kernels::{Payload, boot_image};

/// What the script says last.
const LAST_WORD: &str = "@@ end";
/// By how much the clock is set, first back and then forwards.
const STEP_MS: i64 = 3_600_000;
/// It is set to a full second.
const EXACT_MS: i64 = 2_500;
/// More than this between two seconds is a gap of its own.
const FROZEN_MS: i64 = 5_000;
/// Seconds at each of the three clocks at least.
const SECONDS: usize = 4;

/// Plays it so many times; `writer` is what reads the file.
pub(super) fn step(agent: &Path, writer: &Path, times: u32) -> Result<()> {
    let folder = folder()?;
    let image = boot_image(KERNEL)?;
    let payload = Payload::prepare(agent, "detector", include_str!("clock_step.sh"), &folder)?;
    let initrd = folder.join("clock.initrd");
    let boot = Boot::prepare(&image, &payload, &initrd, "@@ mounted")?;
    let copy = folder.join("clock-copy");
    for _ in 0..times {
        let disk = Disk::make(folder.join("clock-disk"))?;
        let (machine, _said) = boot.run(&disk, |line| line == LAST_WORD)?;
        drop(machine);
        disk.check()?;
        let times = Times::read(&disk.recorder(&copy, writer, "times")?)?;
        times.check()?;
        let mut report = Command::new(agent);
        report
            .arg("report")
            .arg(copy.join("recorder.db"))
            .arg("--json");
        check_report(&serde_json::from_str(&output(&mut report)?)?)?;
        println!(
            "clock set back and forwards by an hour: {} seconds in order, both steps told, nothing crossed out",
            times.seconds.len()
        );
    }
    Ok(())
}

/// What is in the file.
#[derive(Debug, Default)]
struct Times {
    /// Wall clock and clock since the start, in the order of writing.
    seconds: Vec<(i64, i64)>,
    /// From, until, why.
    gaps: Vec<(i64, i64, String)>,
}

impl Times {
    /// From lines of `chaos times`.
    fn read(lines: &str) -> Result<Self> {
        let mut times = Self::default();
        for line in lines.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match *words.as_slice() {
                ["second", unix_ms, boot_ms] => {
                    times.seconds.push((number(unix_ms)?, number(boot_ms)?));
                }
                ["gap", from_ms, until_ms, reason] => {
                    let gap = (number(from_ms)?, number(until_ms)?, reason.to_owned());
                    times.gaps.push(gap);
                }
                _ => bail!("what is {line:?}?"),
            }
        }
        Ok(times)
    }

    fn check(&self) -> Result<()> {
        let (mut steps, mut frozen) = (Vec::new(), 0);
        let mut at_this_clock = 1;
        for pair in self.seconds.windows(2) {
            let [(unix_before, boot_before), (unix_ms, boot_ms)] = *pair else {
                continue;
            };
            let passed_ms = boot_ms - boot_before;
            ensure!(
                passed_ms > 0,
                "a second does not follow the one before: {pair:?}"
            );
            frozen += usize::from(passed_ms > FROZEN_MS);
            let set_by_ms = unix_ms - unix_before - passed_ms;
            if set_by_ms.abs() > EXACT_MS {
                ensure!(at_this_clock >= SECONDS, "too few seconds before {pair:?}");
                steps.push((
                    set_by_ms,
                    unix_before.min(unix_ms),
                    unix_before.max(unix_ms),
                ));
                at_this_clock = 0;
            }
            at_this_clock += 1;
        }
        ensure!(
            at_this_clock >= SECONDS,
            "too few seconds at the last clock"
        );
        let directions: Vec<i64> = steps.iter().map(|(set_by_ms, ..)| *set_by_ms).collect();
        ensure!(
            matches!(*directions, [back, forwards]
                if is_near(back, -STEP_MS) && is_near(forwards, STEP_MS)),
            "the clock was set by {directions:?} ms"
        );
        let of = |reason: &str| {
            let gaps = self.gaps.iter().filter(|gap| gap.2 == reason);
            gaps.map(|gap| (gap.0, gap.1)).collect::<Vec<_>>()
        };
        let told = of("clock-step");
        ensure!(told.len() == steps.len(), "steps are told as {told:?}");
        for ((from_ms, until_ms), (_, first, last)) in told.iter().zip(&steps) {
            ensure!(
                is_near(*from_ms, *first) && is_near(*until_ms, *last),
                "the step from {first} to {last} is told as {from_ms} to {until_ms}"
            );
        }
        // An emulated machine may be kept from running, and then says so.
        let told = of("frozen");
        ensure!(
            told.len() == frozen && told.len() + steps.len() == self.gaps.len(),
            "gaps are {:?}, and {frozen} times no second was seen for long",
            self.gaps
        );
        Ok(())
    }
}

const fn is_near(one: i64, other: i64) -> bool {
    (one - other).abs() <= EXACT_MS
}

fn number(word: &str) -> Result<i64> {
    word.parse().with_context(|| format!("{word} is no number"))
}

/// What a reader is told.
fn check_report(report: &Value) -> Result<()> {
    let clocks = report["clocks"].to_string();
    for words in ["was set back by 1h", "was set forwards by 1h"] {
        ensure!(clocks.contains(words), "no {words:?} in {clocks}");
    }
    let gaps = report["hosts"][0]["gaps"].as_array();
    let gaps = gaps.context("a report has gaps")?;
    let mut steps = gaps.iter().filter(|gap| gap["reason"] == "clock-step");
    let crossed_out = steps.find(|gap| gap["from"] != gap["until"]);
    ensure!(
        crossed_out.is_none(),
        "the report crosses out what was seen: {crossed_out:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Five seconds at each clock.
    fn times() -> Times {
        let mut times = Times::default();
        for second in 0..15_i64 {
            let set_by = if (5..10).contains(&second) {
                -STEP_MS
            } else {
                0
            };
            times
                .seconds
                .push((10 * STEP_MS + set_by + second * 1_000, 500 + second * 1_000));
        }
        let gap = |from: usize, until: usize| {
            let (from, until) = (times.seconds[from].0, times.seconds[until].0);
            (from, until, "clock-step".to_owned())
        };
        times.gaps = vec![gap(5, 4), gap(9, 10)];
        times
    }

    #[test]
    fn a_file_with_all_seconds_and_both_steps_passes_and_no_other() {
        times().check().unwrap();
        let fails = |spoil: fn(&mut Times)| {
            let mut times = times();
            spoil(&mut times);
            times.check().unwrap_err();
        };
        fails(|times| times.seconds.swap(2, 3));
        fails(|times| drop(times.gaps.pop()));
        fails(|times| times.gaps[1].0 += 10_000);
        fails(|times| times.gaps.push((0, 9, "frozen".to_owned())));
        fails(|times| times.gaps.push((0, 9, "disk-full".to_owned())));
        fails(|times| drop(times.seconds.drain(..2)));
        // Kept from running for long, and not told.
        fails(|times| {
            times.seconds.iter_mut().skip(8).for_each(|each| {
                each.0 += 9_000;
                each.1 += 9_000;
            })
        });
        fails(|times| times.seconds.iter_mut().for_each(|each| each.0 = each.1));
    }

    #[test]
    fn lines_are_read() {
        let times = Times::read("second 2000 1000\ngap 1000 2000 clock-step\n").unwrap();
        assert_eq!(times.seconds, [(2_000, 1_000)]);
        assert_eq!(times.gaps, [(1_000, 2_000, "clock-step".to_owned())]);
        for odd in ["second 1", "second x 1", "what"] {
            Times::read(odd).unwrap_err();
        }
    }

    #[test]
    fn a_report_that_crosses_out_what_was_seen_fails() {
        let report = |until: &str, back: &str| {
            json!({
                "clocks": [format!("The clock was set {back} by 1h 0m."), "It was set forwards by 1h 0m."],
                "hosts": [{"gaps": [{"reason": "clock-step", "from": "21:00", "until": until}]}],
            })
        };
        check_report(&report("21:00", "back")).unwrap();
        check_report(&report("22:00", "back")).unwrap_err();
        check_report(&report("21:00", "on")).unwrap_err();
    }
}
