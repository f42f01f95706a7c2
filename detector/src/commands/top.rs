//! `detector top`: who holds what, since when, and why.

use crate::cli::TopArgs;
use crate::failure::Failure;
use crate::top;

pub(super) fn run(args: &TopArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the event loop: {error}")))?;
    let outcome = runtime.block_on(top::run(args, super::client_failure));
    // A request that the agent does not answer must not hold up the end.
    runtime.shutdown_background();
    outcome
}
