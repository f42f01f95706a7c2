//! Real client programs against real servers.

use crate::program::Child;
use crate::servers::{ApacheModel, CROWD_PORT};
use crate::stage::Stage;
use anyhow::{Result, ensure};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

pub(crate) fn slow_read_nginx(stage: &Stage) -> Result<()> {
    slow_read(stage, stage.nginx()?)
}

pub(crate) fn slow_read_prefork(stage: &Stage) -> Result<()> {
    slow_read(stage, stage.apache(ApacheModel::Prefork)?)
}

pub(crate) fn slow_read_event(stage: &Stage) -> Result<()> {
    slow_read(stage, stage.apache(ApacheModel::Event)?)
}

/// `slowhttptest -X`: thirty connections, each read 32 bytes every five seconds.
fn slow_read(stage: &Stage, server: SocketAddr) -> Result<()> {
    let mut command = Command::new("slowhttptest");
    command.args(["-X", "-c", "30", "-r", "30", "-l", "240", "-p", "240"]);
    command.args(["-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "1"]);
    command.args(["-u", &format!("http://{server}/large")]);
    let mut tool = stage.start_client(&stage.name(), command)?;
    stage.hold();
    expect_running(&mut tool, stage)
}

/// A thousand `curl --limit-rate 1B` at the same time. One process holds 250 of them: a thousand
/// processes would take more memory than the servers. The buffers at both ends are small, or the
/// host's whole TCP would come under memory pressure and honest peers would be starved.
///
/// They come late: their stalls are not to stand in one queue with flags whose time is taken.
pub(crate) fn curl_one_byte(stage: &Stage) -> Result<()> {
    stage.wait(Duration::from_secs(10))?;
    let server = SocketAddr::new(stage.server_ip(), CROWD_PORT);
    let mut tools = Vec::new();
    for number in 0..4 {
        let mut config = String::new();
        for _ in 0..250 {
            let url = format!("http://{server}/large");
            writeln!(config, "url = \"{url}\"\noutput = \"/dev/null\"")?;
        }
        let name = format!("{}-{number}", stage.name());
        let file = stage.folder()?.join(format!("{name}.curlrc"));
        std::fs::write(&file, config)?;
        let mut command = Command::new("curl");
        command.args(["--globoff", "--silent", "--limit-rate", "1B"]);
        command.args([
            "--parallel",
            "--parallel-immediate",
            "--parallel-max",
            "250",
        ]);
        command.arg("--config").arg(&file);
        tools.push(stage.start_client(&name, command)?);
    }
    stage.hold();
    for tool in &mut tools {
        expect_running(tool, stage)?;
    }
    Ok(())
}

/// `curl --limit-rate 200k` with default buffers: its window is zero for more than 8 s at a time.
pub(crate) fn curl_200k(stage: &Stage) -> Result<()> {
    let mut command = Command::new("curl");
    command.args([
        "--globoff",
        "--silent",
        "--limit-rate",
        "200k",
        "-o",
        "/dev/null",
    ]);
    command.arg(format!("http://{}/large", stage.nginx()?));
    let mut tool = stage.start_client(&stage.name(), command)?;
    stage.hold();
    expect_running(&mut tool, stage)
}

/// wrk as fast as it can.
pub(crate) fn wrk(stage: &Stage) -> Result<()> {
    let mut command = Command::new("wrk");
    command.args(["-t", "1", "-c", "32", "-d", "3s"]);
    command.arg(format!("http://{}/small", stage.nginx()?));
    let mut tool = stage.start_client(&stage.name(), command)?;
    let status = tool.wait(Duration::from_secs(20))?;
    ensure!(status.success(), "wrk ended with {status}");
    let said = std::fs::read_to_string(stage.folder()?.join(format!("{}.log", stage.name())))?;
    let has_served = said.contains("Requests/sec:") && !said.contains("Requests/sec:      0.00");
    ensure!(has_served, "wrk had no answers: {said}");
    Ok(())
}

/// A program that was to run to the end of the evening has not ended before.
pub(super) fn expect_running(tool: &mut Child, stage: &Stage) -> Result<()> {
    let status = tool.status()?;
    ensure!(
        status.is_none(),
        "the client of {} ended early: {status:?}",
        stage.name()
    );
    Ok(())
}
