//! `detector report`: what happened, from the files of recorders.

use crate::cli::ReportArgs;
use detector_api::failure::Failure;
use detector_client::report::{ReportQuery, report};
use std::path::PathBuf;
use std::slice;

pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let files = match args.files.as_slice() {
        [] => slice::from_ref(&args.state_dir),
        files => files,
    };
    report(&ReportQuery {
        files,
        since: args.since.as_deref(),
        until: args.until.as_deref(),
        incident: args.incident.as_deref(),
        output: args.output.as_deref(),
        json: args.json,
        abuse: args.abuse,
        resolve: args.resolve,
        networks: &networks(args)?,
    })
}

/// The files of networks: those that are named, and the one of the configuration.
fn networks(args: &ReportArgs) -> Result<Vec<PathBuf>, Failure> {
    #[cfg_attr(not(feature = "agent"), allow(unused_mut))]
    let mut networks = args.networks.clone();
    #[cfg(feature = "agent")]
    if let Some(file) = &args.config {
        let config = super::run::load(Some(file), &detector_agent::config::Overrides::default())?;
        let of_config = config.peers.networks_file;
        networks.extend(Some(of_config).filter(|file| !file.as_os_str().is_empty()));
    }
    Ok(networks)
}
