//! One look, and what comes of it.

use crate::actions::{Asker, BlockOrder, Fence, ResetPlan, why_none};
use crate::config::{GuardConfig, GuardMode};
use crate::guard::{SHARED, Spared, TRUSTED, network_of};
use crate::netlink::sock_diag::Namespaces;
use crate::state::AgentState;
use detector_api::actions::ResetRequest;
use detector_api::snapshot::{GuardAct, GuardStep, PeerDetail};
use detector_api::text;
use detector_core::guard::{Load, Pressure, Step};
use detector_core::observe::observation::ConnectionId;
use detector_recorder::NoteKind;
use ipnet::IpNet;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Acts, if there is pressure and something to be done. Waits for the kernel.
pub(super) fn round(state: &AgentState) {
    let guard = &state.guard;
    let config = guard.config();
    if config.mode == GuardMode::Off {
        return;
    }
    note_lifted(state, &state.actions.take_lost());
    lift_spared(state);
    let settings = config.settings(state.engine().thresholds().hoard_connections);
    let load = load(state);
    let pressure = Pressure::of(&load, &settings.bounds);
    guard.set_pressure(pressure.clone());
    let Some(pressure) = pressure else { return };
    let services = Pressure::services(&load, &settings.bounds);
    let services = services.as_deref();
    let mut suspects = state.with_engine(|engine| engine.guard_suspects(services));
    suspects.retain(|suspect| {
        let is_left_alone = suspect.is_shared && !config.reset_shared;
        if is_left_alone {
            guard.count_spared(SHARED);
        }
        !is_left_alone
    });
    if suspects.is_empty() {
        return;
    }
    let spared = guard.spared();
    let is_news = guard.unknown.is_news(spared.is_err());
    let spared = match spared {
        Ok(spared) => spared,
        Err(error) => {
            if is_news {
                tracing::warn!(
                    "the guard does nothing until it is known whom to spare, which it asks each second: {error}"
                );
            }
            return;
        }
    };
    for reason in suspects
        .iter()
        .filter_map(|suspect| spared.reason(&suspect.peer))
    {
        guard.count_spared(reason);
    }
    let mut settings = settings;
    if !may_fence_off(state, &spared) {
        settings.blocks_per_minute = 0;
    }
    let spares = |peer: &_| spared.reason(peer).is_some();
    let steps = guard.decide(&settings, suspects, spares);
    let taker = Taker {
        state,
        config,
        because: pressure.to_string(),
        namespaces: Arc::default(),
    };
    let steps = steps_that_spare(state, steps).into_iter().flat_map(split);
    for step in steps {
        if is_called_off(state, config.mode) {
            return;
        }
        if !has_come_to_be_trusted(state, &step) {
            taker.take_and_report(&step);
        }
    }
}

/// Whether somebody may be limited or blocked, as far as it is known whom to spare.
fn may_fence_off(state: &AgentState, spared: &Spared) -> bool {
    let may = spared.may_fence_off(state.actions.trusts_anybody());
    if state.guard.hidden_sessions.is_news(!may) {
        tracing::warn!(
            "the guard limits and blocks nobody: the processes of others are hidden, or one of them hangs or \
             gives way to another, so it is not known who is logged in and which addresses containers have; \
             name in [peers] trusted the networks that you come from"
        );
    }
    may
}

/// Whether whoever it hits is trusted by now, and so spared: nobody was when it was decided.
fn has_come_to_be_trusted(state: &AgentState, step: &Step) -> bool {
    let is_trusted = network_of(&step.peer).is_some_and(|network| state.actions.trusts(network));
    if is_trusted {
        state.guard.count_spared(TRUSTED);
    }
    is_trusted
}

/// Whether the mode has changed since a round began, or the agent stops: what was decided is done no more.
fn is_called_off(state: &AgentState, mode: GuardMode) -> bool {
    state.guard.config().mode != mode || *state.watch_stop().borrow()
}

/// Those that meet nobody who has come to be spared since the last look: what stays for long is worth
/// another one.
fn steps_that_spare(state: &AgentState, mut steps: Vec<Step>) -> Vec<Step> {
    let stays = |step: &Step| step.act != GuardAct::Reset;
    if !steps.iter().any(stays) {
        return steps;
    }
    let spared = state.guard.spared_now();
    let is_news = state.guard.unknown_at_a_step.is_news(spared.is_err());
    match spared {
        Ok(spared) => {
            let may = may_fence_off(state, &spared);
            steps.retain(|step| match spared.reason(&step.peer) {
                Some(reason) => {
                    state.guard.count_spared(reason);
                    false
                }
                None => may || !stays(step),
            });
        }
        Err(error) => {
            if is_news {
                tracing::warn!(
                    "the guard limits and blocks nobody until it is known whom to spare, which it asks before \
                     each: {error}"
                );
            }
            steps.retain(|step| !stays(step));
        }
    }
    steps
}

/// Lifts what it has made of networks that are trusted, or to be spared, by now.
fn lift_spared(state: &AgentState) {
    if !state.actions.has_guarded() {
        return;
    }
    // Where that is not known, trust is.
    let spared = state.guard.spared().unwrap_or_default();
    let lifted = state
        .actions
        .lift_guard(|network| spared.reason_of(network).is_some());
    note_lifted(state, &lifted);
}

/// What stalled connections take of the host now.
fn load(state: &AgentState) -> Load {
    let tcp_memory = state
        .host
        .pressure
        .last()
        .and_then(|pressure| pressure.tcp_memory);
    let services = state.owners.by_peers(Instant::now());
    if state.guard.old_counts.is_news(services.is_none()) {
        tracing::warn!(
            "the guard cannot judge workers_share and unit_memory_share: workers and memory of units were \
             last counted more than a minute ago"
        );
    }
    Load {
        pinned_bytes: state.engine().pinned_by_peers(),
        tcp_memory_limit_bytes: tcp_memory.map(|memory| memory.limit_bytes),
        services: services.unwrap_or_default(),
    }
}

/// One reset closes no more connections than are shown of a peer.
fn split(step: Step) -> Vec<Step> {
    if step.connections.len() <= PeerDetail::CONNECTIONS_MAX {
        return vec![step];
    }
    let chunks = step.connections.chunks(PeerDetail::CONNECTIONS_MAX);
    let part = |connections: &[ConnectionId]| Step {
        connections: connections.to_vec(),
        ..step
    };
    chunks.map(part).collect()
}

/// Takes steps, or says what they would do.
struct Taker<'s> {
    state: &'s AgentState,
    config: GuardConfig,
    because: String,
    /// Found by the first reset of a round, for all of them.
    namespaces: Arc<OnceLock<Namespaces>>,
}

impl Taker<'_> {
    fn take_and_report(&self, step: &Step) {
        let taken = self.take(step);
        if is_made(&taken) {
            self.state.guard.note_made(step);
        }
        report(self.state, step, taken);
    }

    fn take(&self, step: &Step) -> GuardStep {
        let mut taken = GuardStep {
            act: step.act,
            dry_run: self.config.mode != GuardMode::Enforce,
            because: self.because.clone(),
            reset: 0,
            freed_bytes: 0,
            until: None,
            well_behaved: step.well,
            failure: None,
        };
        let outcome = match step.act {
            GuardAct::Reset => self.reset(step, &mut taken),
            GuardAct::Limit => self.fence_off(step, Fence::Limit, &mut taken),
            GuardAct::Block => self.fence_off(step, Fence::Drop, &mut taken),
        };
        taken.failure = outcome.err();
        taken
    }

    fn reset(&self, step: &Step, taken: &mut GuardStep) -> Result<(), String> {
        let wanted = step.connections.iter();
        let wanted: HashSet<_> = wanted
            .map(|each| (each.netns, each.local, each.remote))
            .collect();
        let request = ResetRequest {
            peer: step.peer.to_string(),
            stalled_for_seconds: 0.0,
            only: None,
            dry_run: taken.dry_run,
        };
        let stalled = self.state.with_engine(|engine| {
            engine.stalled_of_peer(&request.peer, |netns, local, remote| {
                wanted.contains(&(netns, local, remote))
            })
        });
        // It has gone meanwhile.
        let Some(stalled) = stalled else {
            return Ok(());
        };
        let plan = ResetPlan::of(&stalled, &request);
        let actions = &self.state.actions;
        let answer = actions.reset(plan, Asker::Guard, &self.namespaces);
        let answer = answer.map_err(|error| error.to_string())?;
        taken.reset = answer.reset;
        taken.freed_bytes = answer.freed_bytes;
        why_none(&answer).map_or(Ok(()), Err)
    }

    fn fence_off(&self, step: &Step, fence: Fence, taken: &mut GuardStep) -> Result<(), String> {
        let network = network_of(&step.peer).ok_or("no such network")?;
        let order = BlockOrder {
            network,
            span: self.config.block_for.0,
            fence,
            asker: Asker::Guard,
            is_dry: taken.dry_run,
        };
        let answer = self.state.actions.block(order);
        let answer = answer.map_err(|error| error.to_string())?;
        taken.until = Some(answer.until);
        Ok(())
    }
}

/// Whether it is a step towards the next. A reset is also where what it was to close is there and cannot be closed:
/// where a kernel closes no sockets, whoever comes back is limited all the same.
fn is_made(taken: &GuardStep) -> bool {
    match taken.act {
        GuardAct::Reset => taken.reset > 0 || taken.failure.is_some(),
        GuardAct::Limit | GuardAct::Block => taken.failure.is_none(),
    }
}

/// Writes down what was done.
fn report(state: &AgentState, step: &Step, taken: GuardStep) {
    let sentence = text::guard_step(&taken);
    let peer = step.peer.to_string();
    tracing::warn!("{peer}: {sentence}");
    state
        .recording
        .note(NoteKind::Action, Some(&peer), &sentence);
    state.guard.count(&taken);
    state.with_engine(|engine| engine.record_guard_step(step.peer, taken));
    state.publish_events();
}

/// Lifts what the guard has blocked or limited. Waits for the kernel.
pub(super) fn lift(state: &AgentState) {
    note_lifted(state, &state.actions.lift_guard(|_| true));
    state.guard.set_pressure(None);
}

fn note_lifted(state: &AgentState, lifted: &[IpNet]) {
    state.guard.note_lifted(lifted);
    for network in lifted {
        let note = format!("the guard has let {network} through again");
        state
            .recording
            .note(NoteKind::Action, Some(&network.to_string()), &note);
    }
}

#[cfg(test)]
mod tests;
