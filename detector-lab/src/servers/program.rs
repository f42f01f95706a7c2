//! What real servers have in common.

use crate::expect::{self, PATIENCE};
use crate::network::Namespace;
use crate::program::Child;
use anyhow::{Result, bail};
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// Starts a server in `namespace`, what it says in the file `log`, and waits until it accepts
/// connections at `address`.
pub(super) fn serve(
    namespace: &Namespace,
    mut command: Command,
    address: SocketAddr,
    log: &Path,
) -> Result<Child> {
    let output = File::create(log)?;
    let errors = output.try_clone()?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    namespace.place(&mut command);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = Child::start(command)?;
    expect::until(&format!("{program} accepts connections"), PATIENCE, || {
        if let Some(status) = child.status()? {
            bail!("{program} ended early ({status}), see {}", log.display());
        }
        namespace.enter(|| Ok(TcpStream::connect(address).ok().map(drop)))
    })?;
    Ok(child)
}
