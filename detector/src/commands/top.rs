//! `detector top`: who holds what, since when, and why.

use crate::cli::TopArgs;
use detector_api::failure::Failure;
use detector_client::top::{self, Options};

pub(super) fn run(args: &TopArgs) -> Result<(), Failure> {
    let options = Options {
        once: args.once,
        batch: args.batch,
        count: args.count,
        json: args.json,
        interval: args.interval,
        sort: args.sort,
        group: args.group,
        filter: args.filter.clone(),
        allow_actions: args.allow_actions,
        control_socket: args.control_socket.clone(),
        prometheus: args.prometheus.clone(),
        state_dir: args.state_dir.clone(),
        #[cfg(feature = "agent")]
        start_agent: Some(super::own_agent::start),
        #[cfg(not(feature = "agent"))]
        start_agent: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    let outcome = runtime.block_on(top::run(&options));
    // A request that the agent does not answer must not hold up the end.
    runtime.shutdown_background();
    outcome
}
