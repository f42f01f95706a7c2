//! The demonstration: a stalled download and two shrinking peers in a private namespace.

use crate::say;
use anyhow::{Context, Result};
use detector_tests::acts;
use detector_tests::lab::{
    Addresses, Family, Namespace, add_address, bring_up, tun_with_addresses,
};
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::{Host, Profile};
use detector_tests::servers::{Nginx, NginxSettings, TinyServer};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, Signal, signal};
use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Plays for `span`.
pub(crate) fn play(span: Duration) -> Result<()> {
    end_early_on_signals()?;
    // Before any thread exists, so that all of them are inside.
    unshare(CloneFlags::CLONE_NEWNET).context("make a private network namespace (needs root)")?;
    detector_tests::story::in_folder("demo", |folder| play_in(folder, span))
}

fn play_in(folder: &Path, span: Duration) -> Result<()> {
    let namespace = Namespace::here()?;
    let addresses = Addresses::new(std::process::id(), 0);
    let server_ip = addresses.server(Family::V4);
    let client_ip = addresses.client(Family::V4);
    bring_up("lo")?;
    add_address("lo:1", server_ip, 32)?;
    add_address("lo:2", client_ip, 32)?;
    let tun = tun_with_addresses("tun0", &addresses)?;

    let (_nginx, web) = start_web_server(&namespace, server_ip, folder)?;
    let mut client = KernelPeer::connect_with(
        &namespace,
        Some(SocketAddr::new(client_ip, 0)),
        web.address,
        None,
    )?;
    client.request(web.path)?;
    client.read(1 << 20)?;
    say(&format!(
        "{client_ip}  asks {} for 64 MiB, reads the first, then stops reading",
        web.name
    ));

    let tiny = TinyServer::start(&namespace, addresses.tun_server(Family::V4))?;
    let host = Host::start(tun)?;
    let shrinker = addresses.crafted(Family::V4, 0);
    let peer = host.connect(
        SocketAddr::new(shrinker, 4_001),
        tiny.address(),
        Profile::default(),
    )?;
    acts::retract_to_zero(&peer)?;
    say(&format!(
        "{shrinker}  lets data be sent, then takes its whole window back"
    ));

    let nibbler = addresses.crafted(Family::V4, 1);
    let other = host.connect(
        SocketAddr::new(nibbler, 4_001),
        tiny.address(),
        Profile::default(),
    )?;
    acts::half_close_and_stop_reading(&other)?;
    say(&format!(
        "{nibbler}  sends its request with FIN, then never opens its window again"
    ));

    say(&format!("on stage for {} s", span.as_secs()));
    let began = Instant::now();
    while began.elapsed() < span && !IS_OVER.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
    }
    say("the end");
    Ok(())
}

/// Set by SIGTERM and SIGINT, so that an early end tidies up as well.
pub(crate) static IS_OVER: AtomicBool = AtomicBool::new(false);

extern "C" fn end_early(_signal: c_int) {
    IS_OVER.store(true, Ordering::Relaxed);
}

pub(crate) fn end_early_on_signals() -> Result<()> {
    for wanted in [Signal::SIGTERM, Signal::SIGINT] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        unsafe { signal(wanted, SigHandler::Handler(end_early)) }
            .with_context(|| format!("handle {wanted}"))?;
    }
    Ok(())
}

/// Whatever answers the download.
struct WebServer {
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
}

/// The guards that keep it running, and where it is.
type Running = ((Option<Nginx>, Option<TinyServer>), WebServer);

fn start_web_server(namespace: &Namespace, ip: IpAddr, folder: &Path) -> Result<Running> {
    if Nginx::is_installed() {
        let nginx = Nginx::start(namespace, ip, folder, NginxSettings::default())?;
        let web = WebServer {
            name: "nginx",
            address: nginx.address(),
            path: "/large",
        };
        return Ok(((Some(nginx), None), web));
    }
    let tiny = TinyServer::start(namespace, ip)?;
    let web = WebServer {
        name: "a small server",
        address: tiny.address(),
        path: "/bytes/67108864",
    };
    Ok(((None, Some(tiny)), web))
}
