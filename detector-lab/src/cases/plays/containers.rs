//! Containers whose memory for sockets runs short: of a server of ours, and of a client.

use super::shared::{PAUSED, pause_all, read_on};
use super::tools::expect_running;
use crate::control_group::ControlGroup;
use crate::servers::{Nginx, NginxSettings};
use crate::stage::Stage;
use anyhow::Result;
use std::process::Command;

/// Of all sockets of a container: less than its connections would take.
const SOCKET_BYTES: u64 = 1 << 20;
const PORT: u16 = 8_082;

/// Thirty readers of a server in a container are paused.
pub(crate) fn server_held(stage: &Stage) -> Result<()> {
    let container = Container::start(stage)?;
    let _paused = pause_all(stage, container.nginx.address(), PAUSED)?;
    stage.hold();
    Ok(())
}

/// Thirty slow readers of the same server, which runs short of memory as well.
pub(crate) fn server_read(stage: &Stage) -> Result<()> {
    let container = Container::start(stage)?;
    let _readers = read_on(pause_all(stage, container.nginx.address(), PAUSED)?);
    stage.hold();
    Ok(())
}

/// What a client with [`DOWNLOADS`] has for its sockets.
const CLIENT_SOCKET_BYTES: u64 = 256 << 10;
/// So few that they hold little, even where a busy machine hardly lets the client read.
const DOWNLOADS: usize = 4;

/// A client in a container: downloads at once, of which its kernel drops what it has no room for, and
/// takes back window that it had offered.
pub(crate) fn client_read(stage: &Stage) -> Result<()> {
    let group = limited(stage)?;
    let url = format!("http://{}/large", stage.nginx()?);
    let mut command = Command::new("curl");
    command.args(["--globoff", "--silent", "--limit-rate", "40k"]);
    command.args(["--parallel", "--parallel-immediate"]);
    for _ in 0..DOWNLOADS {
        command.args([&url, "-o", "/dev/null"]);
    }
    group.place(&mut command)?;
    let mut tool = stage.start_client(&stage.name(), command)?;
    group.limit_sockets(CLIENT_SOCKET_BYTES)?;
    stage.hold();
    expect_running(&mut tool, stage)
}

/// A web server in a control group of its own.
struct Container {
    nginx: Nginx,
    _group: ControlGroup,
}

impl Container {
    fn start(stage: &Stage) -> Result<Self> {
        let group = limited(stage)?;
        let folder = stage.folder()?.join(stage.name());
        std::fs::create_dir(&folder)?;
        let settings = NginxSettings {
            port: PORT,
            group: Some(&group),
            ..NginxSettings::default()
        };
        let nginx = Nginx::start(stage.servers()?, stage.server_ip(), &folder, settings)?;
        group.limit_sockets(SOCKET_BYTES)?;
        Ok(Self {
            nginx,
            _group: group,
        })
    }
}

fn limited(stage: &Stage) -> Result<ControlGroup> {
    ControlGroup::of_memory(format!("detector-{}-{}", stage.name(), std::process::id()))
}
