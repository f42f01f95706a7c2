//! Networks that are not the host's first: of a container, and one that somebody has laid out for himself.

use crate::PATIENCE;
use crate::expect;
use anyhow::{Context, Result};
use detector_lab::network::Namespace;
use detector_lab::program::Child;
use std::process::{Command, Stdio};

/// A network namespace of the host's without a name, as a container's, and a process in it that keeps it.
pub fn network_of_a_container() -> Result<(Child, Namespace)> {
    keep_network(&[])
}

/// A network namespace as any user can lay one out, in a user namespace of his own, and a process in it
/// that keeps it.
pub fn network_of_ones_own() -> Result<(Child, Namespace)> {
    keep_network(&["--user", "--map-root-user"])
}

fn keep_network(options: &[&str]) -> Result<(Child, Namespace)> {
    let mut unshare = Command::new("unshare");
    unshare.args(options).args(["--net", "sleep", "600"]);
    unshare.stdin(Stdio::null());
    let child = Child::start(unshare)?;
    let own = Namespace::here()?.inode()?;
    let network = expect::until("it has a network of its own", PATIENCE, || {
        let network = Namespace::of_process(child.pid()).context("namespace of the child")?;
        Ok((network.inode()? != own).then_some(network))
    })?;
    Ok((child, network))
}
