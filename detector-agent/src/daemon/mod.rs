//! The composition root: claims what the agent needs, starts its parts, stops them.
//!
//! Order: the host is checked first, so that one that cannot run an agent says so whatever else is
//! wrong; then the socket and the addresses of the metrics are claimed, so that a second agent fails
//! before it loads anything; then the kernel side is attached; then what is not needed any more is
//! given up; only then it listens on the network and reads anything, records and requests alike; then
//! `ready`.

mod census;
mod claims;
mod flag_log;
mod guard;
mod history;
mod incident_log;
mod judge;
mod owners;
mod pressure;
mod recorder;
mod signals;
mod start;
mod supervisor;
mod tcp_memory;
mod witness;

pub use claims::check_access;
pub use start::Start;

use crate::allocator;
use crate::clock;
use crate::config::{Config, GuardMode, Scope};
use crate::control::Control;
use crate::http::{Access, BoundTcp, Limits, Service, serve};
use crate::kernel::check::refuse_unfit_host;
use crate::kernel::{self, KernelOptions, Messages, StartError, SweepOptions};
use crate::log;
use crate::metrics::Web;
use crate::namespace;
use crate::priority;
use crate::privilege::{self, Enabled};
use crate::state::AgentState;
use detector_api::failure::Failure;
use detector_common::settings::KernelSettings;
use detector_core::engine::Engine;
use signals::Signals;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

/// How long detaching programs and ending threads may take.
const KERNEL_STOP_PATIENCE: Duration = Duration::from_secs(1);

/// Runs the agent until a signal stops it.
pub async fn run(start: Start) -> Result<(), Failure> {
    allocator::give_back_what_is_freed();
    let mut signals = Signals::new()
        .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
    refuse_unfit_host().map_err(start_failure)?;
    claims::state_folder(&start.state_dir)?;
    let config = &start.config;
    let (claim, control_listener) = claims::control_socket(&config.control.socket)?;
    let access = claims::access(&config.web)?.map(Arc::new);
    let web_addresses = claims::web_addresses(&config.web.listen_addresses)?;
    let addresses: Vec<_> = web_addresses.iter().map(BoundTcp::address).collect();

    let (ping_sender, pings) = mpsc::channel(1);
    let state = Arc::new(AgentState::new(config, ping_sender));
    let recorder = recorder::open(&state, &start.state_dir, config.recorder)?;
    signals::note_start(&state, config);
    let (sinks, messages) = kernel::messages();
    let background_nice = raise_priority(config.budget.nice)?;
    let options = kernel_options(&start, background_nice);
    let kernel_log = witness::open();
    let enabled = Enabled {
        acts: config.control.actions || config.guard.mode != GuardMode::Off,
        enters_namespaces: config.detect.scope == Scope::Host,
    };
    let files = claims::files(&start, access.as_deref());
    let give_up = || {
        state.set_privilege(privilege::give_up(enabled, &files));
        log::confine();
    };
    let mut kernel = kernel::start(&options, sinks, give_up).map_err(start_failure)?;
    let victims = kernel.take_victims();
    state.kernel_started(kernel);
    let web_listeners = claims::listen(web_addresses)?;
    let owners = owners::start(Arc::clone(&state), background_nice).inspect_err(|error| {
        tracing::warn!(
            "cannot look for the processes behind connections: {error}; peers are judged without"
        )
    });

    let witness = witness::start(&state, victims, kernel_log);
    let recorder = recorder
        .map(|recorder| recorder::start(Arc::clone(&state), recorder, background_nice))
        .transpose()
        .map_err(|error| Failure::failed(format!("cannot start the recorder: {error}")))?;

    let census = census::start(Arc::clone(&state), background_nice).inspect_err(|error| {
        tracing::warn!("cannot ask the kernel about suspects: {error}; nobody is accused")
    });
    let mut servers = JoinSet::new();
    servers.spawn(pressure::sample_host(Arc::clone(&state)));
    servers.spawn(tcp_memory::watch(Arc::clone(&state), background_nice));
    servers.spawn(guard::watch(Arc::clone(&state)));
    let history = history::keep(
        Arc::clone(&state),
        start.state_dir.clone(),
        options.ipv6_prefix,
    );
    servers.spawn(history);
    let path = &config.web.telemetry_path;
    serve_web(&mut servers, &state, web_listeners, path, access.as_ref());
    serve_control(&mut servers, &state, control_listener);
    announce_ready(&state, &start, &addresses, access.as_deref());
    let outcome = tokio::select! {
        ended = run_judge(&state, messages, pings) => ended,
        Some(ended) = servers.join_next() => Err(server_failure(&ended)),
        () = supervisor::feed_watchdog(async || state.is_alive().await) => Ok(()),
        () = signals.handle(&state, &start) => Ok(()),
    };
    drop(census);
    drop(owners);
    drop(witness);
    stop(&state, servers).await;
    if let Some(recorder) = recorder {
        recorder.end();
    }
    tracing::info!("stopped");
    drop(claim);
    outcome
}

/// Fills an engine and serves it on a control socket, without a kernel side, until the process ends:
/// for benchmarks of what is shown.
///
/// # Errors
///
/// Those of `fill`.
pub async fn serve_engine<E>(
    listener: UnixListener,
    fill: impl FnOnce(&mut Engine) -> Result<(), E>,
) -> Result<(), E> {
    let (ping_sender, pings) = mpsc::channel(1);
    let state = Arc::new(AgentState::new(&Config::default(), ping_sender));
    state.with_engine(fill)?;
    // Open, or the judge would take the kernel side for ended.
    let (_sinks, messages) = kernel::messages();
    let mut servers = JoinSet::new();
    serve_control(&mut servers, &state, listener);
    judge::judge(state, messages, pings).await;
    Ok(())
}

/// Gives this thread, and those it starts, the niceness `nice`; returns the niceness for threads
/// that work for long. An agent that was started with another niceness than 0 keeps it.
fn raise_priority(nice: i32) -> Result<i32, Failure> {
    let started_with = priority::niceness()
        .map_err(|error| Failure::failed(format!("cannot ask for the niceness: {error}")))?;
    if started_with != 0 || nice == 0 {
        return Ok(started_with);
    }
    if let Err(error) = priority::set_niceness(nice) {
        tracing::info!("cannot set niceness {nice}: {error}; on a busy host flags may come late");
    }
    Ok(nice.max(0))
}

/// Runs the judge in a task of its own, so that its panic ends the agent in order.
async fn run_judge(
    state: &Arc<AgentState>,
    messages: Messages,
    pings: mpsc::Receiver<crate::state::Ping>,
) -> Result<(), Failure> {
    let mut judging = JoinSet::new();
    judging.spawn(judge::judge(Arc::clone(state), messages, pings));
    match judging.join_next().await {
        Some(Ok(reason)) => Err(Failure::failed(format!("the agent cannot go on: {reason}"))),
        Some(Err(error)) => Err(Failure::failed(format!("the judge failed: {error}"))),
        None => Ok(()),
    }
}

async fn stop(state: &Arc<AgentState>, mut servers: JoinSet<()>) {
    supervisor::stopping();
    state.stop();
    if let Some(kernel) = state.take_kernel() {
        let stopped = tokio::task::spawn_blocking(move || kernel.stop());
        if tokio::time::timeout(KERNEL_STOP_PATIENCE, stopped)
            .await
            .is_err()
        {
            tracing::warn!("the kernel side did not stop in time; it ends with the process");
        }
    }
    while servers.join_next().await.is_some() {}
}

fn serve_web(
    servers: &mut JoinSet<()>,
    state: &Arc<AgentState>,
    listeners: Vec<TcpListener>,
    telemetry_path: &str,
    access: Option<&Arc<Access>>,
) {
    let service = Service {
        handler: Arc::new(Web::new(Arc::clone(state), telemetry_path.to_owned())),
        limits: Limits::WEB,
        refusals: Arc::clone(&state.counters.web),
        meter: Arc::clone(&state.counters.served),
        access: access.cloned(),
    };
    for listener in listeners {
        servers.spawn(serve(listener, service.clone(), state.watch_stop()));
    }
}

fn serve_control(servers: &mut JoinSet<()>, state: &Arc<AgentState>, listener: UnixListener) {
    let service = Service {
        handler: Arc::new(Control::new(Arc::clone(state))),
        limits: Limits::CONTROL,
        refusals: Arc::clone(&state.counters.control),
        meter: Arc::clone(&state.counters.served),
        access: None,
    };
    servers.spawn(serve(listener, service, state.watch_stop()));
}

fn kernel_options(start: &Start, sweep_nice: i32) -> KernelOptions {
    let budget = &start.config.budget;
    KernelOptions {
        settings: KernelSettings {
            ipv6_mask: KernelSettings::ipv6_mask(start.config.peers.ipv6_prefix),
            tick_ns: clock::kernel_tick_ns(),
            network_namespace: namespace::home()
                .map_or(KernelSettings::NO_NAMESPACE, |home| home.inode),
            user_namespace: trusted_users(start.config.detect.scope),
            seed: RandomState::new().hash_one(()),
            ..KernelSettings::DEFAULT
        },
        log_level: start.kernel_log_level,
        ipv6_prefix: start.config.peers.ipv6_prefix,
        ring_bytes: u32::try_from(budget.ring.0).unwrap_or(u32::MAX),
        connections_capacity: budget.connections,
        sweep: SweepOptions {
            interval: budget.sweep_interval.0,
            idle_share: budget.sweep_share_idle.as_ratio(),
            busy_share: budget.busy_share().as_ratio(),
            nice: sweep_nice,
            is_own_only: start.config.detect.scope == Scope::Container,
        },
    }
}

/// Whose network namespaces count for the past of addresses, besides the agent's own: those of its users,
/// or nobody's where it watches its own alone or cannot tell who its users are.
fn trusted_users(scope: Scope) -> u32 {
    match scope {
        Scope::Host => match namespace::users() {
            Ok(users) => users.unwrap_or(KernelSettings::FIRST_USER_NAMESPACE),
            Err(error) => {
                tracing::warn!(
                    "cannot tell whose network namespaces are the host's: {error}; only the past of addresses in the \
                     agent's own is kept"
                );
                KernelSettings::NO_NAMESPACE
            }
        },
        Scope::Container => KernelSettings::NO_NAMESPACE,
    }
}

fn announce_ready(
    state: &AgentState,
    start: &Start,
    addresses: &[SocketAddr],
    access: Option<&Access>,
) {
    let path = &start.config.web.telemetry_path;
    let scheme = if access.is_some_and(Access::has_tls) {
        "https"
    } else {
        "http"
    };
    let metrics: Vec<_> = addresses
        .iter()
        .map(|address| format!("{scheme}://{address}{path}"))
        .collect();
    let attached = state.kernel_status().map_or(0, |status| {
        status
            .probes
            .iter()
            .filter(|(_, is_attached)| *is_attached)
            .count()
    });
    log::notice(&format!(
        "ready: watching TCP peers, metrics on {}, control socket {}, {attached} probes attached \
         in {} ms",
        metrics.join(" and "),
        start.config.control.socket.display(),
        start.began.elapsed().as_millis(),
    ));
    let has = |what: fn(&Access) -> bool| access.is_some_and(what);
    let (has_users, has_tls) = (has(Access::has_users), has(Access::has_tls));
    for address in addresses {
        if let Some(warning) = claims::exposure(*address, has_users, has_tls) {
            tracing::warn!("{address} is not a loopback address{warning}");
        }
    }
    supervisor::ready();
}

fn start_failure(mut error: StartError) -> Failure {
    let (code, hint) = (error.code, error.hint.take());
    let error = anyhow::Error::new(error).context("cannot start the kernel side");
    let failure = Failure::new(code, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn server_failure(ended: &Result<(), JoinError>) -> Failure {
    match ended {
        Ok(()) => Failure::failed("a listener ended"),
        Err(error) => Failure::failed(format!("a listener failed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::run_judge;
    use crate::config::Config;
    use crate::kernel::{Message, messages};
    use crate::state::tests::state;
    use detector_api::failure::Code;

    #[tokio::test]
    async fn a_failed_kernel_side_ends_the_agent_with_code_1_and_the_reason() {
        let (state, pings) = state(&Config::default());
        let (sinks, messages) = messages();
        let reason = "waiting for kernel records failed".to_owned();
        let failed = Message::Failed(reason);
        sinks.sweep.send(failed).await.unwrap();
        let failure = run_judge(&state, messages, pings).await.unwrap_err();
        assert_eq!(failure.code(), Code::Failed);
        assert_eq!(
            failure.to_string(),
            "error: the agent cannot go on: waiting for kernel records failed\n"
        );
    }
}
