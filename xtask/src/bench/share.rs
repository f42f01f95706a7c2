//! Which share of the processors' time the agent takes while they are saturated.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::programs::{EMPTY, Stats, programs, start_agent, start_counting, start_empty};
use super::stage::Stage;
use crate::background::Background;

/// The agent's programs that run on others' time. The sweep runs on the agent's own.
pub(super) const HOOKS: [&str; 3] = ["det_tcp_probe", "det_retransmit", "det_set_state"];

/// Shares of the busy time of all processors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// The agent's own threads, its sweeps included.
    pub(super) agent: f64,
    /// Its programs in the kernel.
    pub(super) hooks: f64,
}

impl Share {
    /// What is left for everything else.
    pub(super) fn left(&self) -> f64 {
        1.0 - self.agent - self.hooks
    }
}

/// Measures one span with the agent, under whatever traffic there is. The kernel's counting reads the clock twice a run, which costs
/// more than most runs do; an empty program in a span of its own shows how much, and that is taken
/// out.
pub(super) fn left_over(
    stage: &Stage,
    agent: &Path,
    loader: &Path,
    span: Duration,
) -> Result<Share> {
    let _counting = start_counting(loader)?;
    let empty = {
        let others = programs(EMPTY)?;
        let _running = start_empty(loader)?;
        thread::sleep(span);
        programs(EMPTY)?
            .into_iter()
            .find(|(id, _)| !others.contains_key(id))
            .map(|(_, stats)| stats)
            .context("the empty program has gone")?
    };
    let running = start_agent(agent, &stage.scratch.path)?;
    let before = Moment::now(&running)?;
    thread::sleep(span);
    let after = Moment::now(&running)?;
    Ok(after.share_since(&before, empty.nanoseconds_a_run()))
}

/// Totals at one moment, in nanoseconds.
struct Moment {
    hooks: Stats,
    agent: f64,
    busy: f64,
}

impl Moment {
    fn now(agent: &Background) -> Result<Self> {
        let mut hooks = Stats::default();
        for name in HOOKS {
            hooks = programs(name)?.into_values().fold(hooks, Stats::plus);
        }
        Ok(Self {
            hooks,
            agent: time_of_process(agent.id())?,
            busy: busy_time()?,
        })
    }

    fn share_since(&self, earlier: &Self, empty_nanoseconds: f64) -> Share {
        let busy = self.busy - earlier.busy;
        let hooks = self.hooks.minus(earlier.hooks);
        Share {
            agent: (self.agent - earlier.agent) / busy,
            hooks: hooks.nanoseconds_beyond(empty_nanoseconds).max(0.0) / busy,
        }
    }
}

/// Time on a processor of all threads, as the scheduler counts it.
fn time_of_process(id: u32) -> Result<f64> {
    let mut sum = 0.0;
    let tasks = format!("/proc/{id}/task");
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        let file = task
            .context("cannot list a thread")?
            .path()
            .join("schedstat");
        let said =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        sum += number_at(&said, 0).with_context(|| format!("{}: {said}", file.display()))?;
    }
    Ok(sum)
}

/// Time in which the processors were not idle: user, nice, system, interrupts.
fn busy_time() -> Result<f64> {
    // The kernel shows user space a hundred ticks a second, whatever its own are.
    const TICK_NANOSECONDS: f64 = 1e7;
    let said = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let all = said.lines().next().unwrap_or_default();
    let column = |index| number_at(all, index).with_context(|| format!("/proc/stat: {all}"));
    Ok((column(1)? + column(2)? + column(3)? + column(6)? + column(7)?) * TICK_NANOSECONDS)
}

pub(super) fn number_at(line: &str, index: usize) -> Option<f64> {
    line.split_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_counting_itself_costs_is_taken_out() {
        let moment = |runs, nanoseconds, agent, busy| Moment {
            hooks: Stats::new(runs, nanoseconds),
            agent,
            busy,
        };
        let share = moment(110, 15_000, 500.0, 200_000.0)
            .share_since(&moment(10, 1_000, 300.0, 100_000.0), 90.0);
        assert_eq!(share.agent, 0.002);
        assert_eq!(share.hooks, 0.05);
        assert_eq!(share.left(), 0.948);
    }
}
