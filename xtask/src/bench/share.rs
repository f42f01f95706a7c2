//! Which share of the processor time under load the agent and its programs take.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cost::time_of_process;
use super::programs::{EMPTY, Stats, programs, start_agent, start_counting, start_empty};
use super::stage::{Stage, Traffic};
use crate::background::Background;

/// The agent's programs that run on others' time. The sweep runs on the agent's own.
pub(super) const HOOKS: [&str; 3] = ["det_tcp_probe", "det_retransmit", "det_set_state"];

/// Shares of the time that nginx, wrk and the agent take together, with the kernel's work for them.
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

/// Measures one span with the agent, under this traffic. The kernel's counting reads the clock twice
/// a run, which costs more than most runs do; an empty program in a span of its own shows how much,
/// and that is taken out.
pub(super) fn left_over(
    stage: &Stage,
    traffic: &Traffic,
    (agent, loader): (&Path, &Path),
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
    let others: HashSet<u64> = hooks()?.into_keys().collect();
    let running = start_agent(agent, &stage.scratch.path)?;
    // Starting is another matter.
    thread::sleep(span);
    let before = Moment::now(&running, traffic, &others)?;
    thread::sleep(span);
    let after = Moment::now(&running, traffic, &others)?;
    Ok(after.share_since(&before, empty.nanoseconds_a_run()))
}

/// The hooks of all agents on this host.
fn hooks() -> Result<HashMap<u64, Stats>> {
    let mut hooks = HashMap::new();
    for name in HOOKS {
        hooks.extend(programs(name)?);
    }
    Ok(hooks)
}

/// Totals at one moment, in nanoseconds.
struct Moment {
    hooks: Stats,
    agent: f64,
    busy: f64,
}

impl Moment {
    /// `others` are the hooks of other agents on this host.
    fn now(agent: &Background, traffic: &Traffic, others: &HashSet<u64>) -> Result<Self> {
        let ours = hooks()?.into_iter().filter(|(id, _)| !others.contains(id));
        let hooks = ours
            .map(|(_, stats)| stats)
            .fold(Stats::default(), Stats::plus);
        let agent = time_of_process(agent.id())?;
        Ok(Self {
            hooks,
            agent,
            busy: agent + traffic.time_used()?,
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
