//! `cargo xtask bench life`: how long an agent takes to start, to answer and to stop.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::ask;
use super::cost::time_of_process;
use super::programs::{control_socket, start_telling};
use super::table::{Spread, Table, tell_bound};
use crate::background::{Background, Scratch};

/// Start until ready.
const READY_MS: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(10);
const CONFIG: &str = "agent.toml";

pub(super) fn main(agent: &Path, rounds: u32) -> Result<()> {
    let mut found: [(&str, Vec<f64>); 10] = [
        ("start to ready", vec![]),
        ("of that, loading and attaching, as it says", vec![]),
        ("processor time until ready", vec![]),
        ("reload", vec![]),
        ("/metrics", vec![]),
        ("/v1/status", vec![]),
        ("/v1/host", vec![]),
        ("/v1/peers", vec![]),
        ("detector peers, a process", vec![]),
        ("stop", vec![]),
    ];
    for _ in 0..rounds {
        let times = round(agent)?;
        for ((_, all), time) in found.iter_mut().zip(times) {
            all.push(time);
        }
    }
    let mut table = Table::new(&["an agent with little to tell", "ms"]);
    for (name, times) in &found {
        table.row(vec![(*name).to_owned(), Spread::of(times).shown(1)]);
    }
    println!("{table}");
    let ready = Spread::of(&found[0].1);
    tell_bound(
        "start to ready",
        &format!("{} ms", ready.shown(0)),
        &format!("at most {READY_MS} ms"),
        ready.median <= READY_MS,
    );
    Ok(())
}

/// Milliseconds of each, in the order of the table.
fn round(agent: &Path) -> Result<[f64; 10]> {
    let scratch = Scratch::create("bench-life")?;
    let folder = &scratch.path;
    let config = folder.join(CONFIG);
    fs::write(&config, "").context("cannot write a configuration")?;
    let (started, (running, ready)) =
        timed(|| start_telling(agent, folder, &[Path::new("--config"), &config]))?;
    let used = time_of_process(running.id())? / 1e6;
    let address = ask::address_in(&ready)?;
    let attaching = ready
        .rsplit_once(" in ")
        .and_then(|(_, time)| time.strip_suffix(" ms")?.parse().ok());
    let attaching = attaching.with_context(|| format!("no time in: {ready}"))?;
    fs::write(&config, "[detect]\nstall_after = \"soon\"\n")
        .context("cannot write a configuration")?;
    reload(&running, &address, false)?;
    fs::write(&config, "[detect]\nstall_after = \"6s\"\n")
        .context("cannot write a configuration")?;
    let (reloaded, ()) = timed(|| reload(&running, &address, true))?;
    let (scraped, _) = timed(|| ask::metrics(&address))?;
    let socket = control_socket(folder);
    let mut asked = [0.0; 3];
    for (time, path) in asked
        .iter_mut()
        .zip(["/v1/status", "/v1/host", "/v1/peers"])
    {
        (*time, _) = timed(|| ask::control(&socket, path))?;
    }
    let (printed, _) = timed(|| {
        crate::command::output(
            Command::new(agent)
                .args(["peers", "--json", "--control-socket"])
                .arg(&socket),
        )
    })?;
    let (stopped, ()) = timed(|| {
        drop(running);
        Ok(())
    })?;
    let [status, host, peers] = asked;
    Ok([
        started, attaching, used, reloaded, scraped, status, host, peers, printed, stopped,
    ])
}

fn timed<T>(act: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = Instant::now();
    let done = act()?;
    Ok((began.elapsed().as_secs_f64() * 1e3, done))
}

/// Has the agent read its configuration again, and waits until the metrics say what came of it.
fn reload(running: &Background, address: &str, is_good: bool) -> Result<()> {
    let wanted = format!(
        "detector_config_last_reload_successful {}\n",
        u8::from(is_good)
    );
    running.hang_up()?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if ask::metrics(address)?.contains(&wanted) {
            return Ok(());
        }
    }
    bail!("the agent has not read its configuration within {PATIENCE:?}")
}
