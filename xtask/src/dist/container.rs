//! `cargo xtask dist --container`: the image in a real engine, with what the DaemonSet gives it and no more, beside
//! a server that is attacked.
//!
//! Podman keeps all it makes below a folder of this chore, and the container's "host" is a network namespace
//! that goes with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::Release;
use super::daemon_set::{DaemonSet, Mount};
use crate::background::{Background, Scratch};
use crate::command::output;
use crate::monitoring::network::{Network, within};
use crate::monitoring::peers;
use crate::packages::{is_root, need};

const PROGRAMS: [(&str, &str); 4] = [
    ("podman", "podman"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
];
const NAME: &str = "detector";
const PATIENCE: Duration = Duration::from_secs(60);
/// As the DaemonSet says: `terminationGracePeriodSeconds`.
const GRACE_SECONDS: &str = "10";
/// Open files and processes. By default podman gives more of both than a root may who lacks CAP_SYS_RESOURCE.
const ULIMITS: [&str; 2] = ["nofile=4096:4096", "nproc=4096:4096"];
/// There where all of it is cgroup v2. Beside controllers of v1, crun does not run, and runc does.
const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";

/// Whether the container shares the host's processes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Processes {
    Shared,
    Own,
}

pub(super) fn try_out(release: &Release, may_install: bool) -> Result<()> {
    ensure!(is_root(), "running the image as a node does needs root");
    let purpose = "running the image";
    need(&PROGRAMS, purpose, may_install)?;
    if !is_unified() {
        need(&[("runc", "runc")], purpose, may_install)?;
    }
    let set = DaemonSet::read()?;
    let network = Network::make(1)?;
    let engine = Engine::start(release, &network)?;
    println!("loaded: {}", engine.image);
    let address = network.address(0, 8080);
    let _server =
        Background::start_until_ready(&mut peers::command(&network.host(0), "server", &address)?)?;
    for processes in [Processes::Shared, Processes::Own] {
        engine.run(&set, processes)?;
        engine.look(processes, &network)?;
        engine.stop()?;
    }
    println!("container: ok");
    Ok(())
}

/// A podman with folders of its own, in a namespace that is the host of its container.
struct Engine {
    scratch: Scratch,
    namespace: String,
    image: String,
}

impl Engine {
    /// Loads the image of the release.
    fn start(release: &Release, network: &Network) -> Result<Self> {
        let file = format!("detector-{}-oci.tar", release.version);
        let mut engine = Self {
            scratch: Scratch::create("container")?,
            namespace: network.host(0),
            image: String::new(),
        };
        let said = output(
            engine
                .podman()
                .args(["load", "--input"])
                .arg(release.folder.join(&file)),
        )
        .with_context(|| format!("podman does not load {file}"))?;
        let (_, image) = said
            .trim()
            .rsplit_once(": ")
            .with_context(|| format!("podman does not say what it loaded: {said}"))?;
        image.clone_into(&mut engine.image);
        ensure!(
            engine
                .image
                .ends_with(&format!("/detector:{}", release.version)),
            "the image is called {}",
            engine.image
        );
        Ok(engine)
    }

    fn podman(&self) -> Command {
        let folder = |name: &str| self.scratch.path.join(name);
        let mut podman = within(&self.namespace, Path::new("podman"));
        podman
            .arg("--root")
            .arg(folder("storage"))
            .arg("--runroot")
            .arg(folder("running"))
            .arg("--tmpdir")
            .arg(folder("tmp"))
            .args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"])
            .args(["--events-backend", "none"]);
        if !is_unified() {
            podman.args(["--runtime", "runc"]);
        }
        podman
    }

    /// A folder of the host that is mounted.
    fn volume(&self, mount: &Mount) -> Result<PathBuf> {
        // There is one kernel here, and one hierarchy.
        if mount.name == "groups" {
            return Ok(PathBuf::from("/sys/fs/cgroup"));
        }
        let folder = self.scratch.path.join("volumes").join(&mount.name);
        fs::create_dir_all(&folder).context("cannot make a folder for a volume")?;
        Ok(folder)
    }

    /// Starts it as a node would.
    fn run(&self, set: &DaemonSet, processes: Processes) -> Result<()> {
        let mut podman = self.podman();
        podman
            .args(["run", "--detach", "--name", NAME, "--network", "host"])
            .args(["--user", "0", "--read-only", "--read-only-tmpfs=false"])
            .args(["--memory", &set.memory, "--cpus", &set.cpus])
            .args(["--log-driver", "k8s-file"])
            .args(["--security-opt", "no-new-privileges"])
            .args(["--cap-drop", "all"]);
        for ulimit in ULIMITS {
            podman.args(["--ulimit", ulimit]);
        }
        for capability in &set.capabilities {
            podman.args(["--cap-add", capability]);
        }
        if processes == Processes::Shared {
            podman.args(["--pid", "host"]);
        }
        for mount in &set.mounts {
            let folder = self.volume(mount)?;
            if mount.name == "config" {
                fs::write(folder.join("detector.toml"), &set.configuration)?;
            }
            // In memory, and gone with the pod.
            if mount.name == "run" {
                podman.args(["--tmpfs", &format!("{}:size=1m,mode=0755", mount.path)]);
                continue;
            }
            let mode = if mount.is_read_only { "ro" } else { "rw" };
            let volume = format!("{}:{}:{mode}", folder.display(), mount.path);
            podman.args(["--volume", &volume]);
        }
        podman.arg(&self.image).args(&set.arguments);
        output(&mut podman).context("podman does not run the image")?;
        println!(
            "running, with {} of memory, {} of a processor, {}",
            set.memory,
            set.cpus,
            set.capabilities.join(", ")
        );
        Ok(())
    }

    /// Ready, at peace with its surroundings, and sees an attack.
    fn look(&self, processes: Processes, network: &Network) -> Result<()> {
        let address = network.address(0, 8080);
        self.until("ready", || self.curl("http://127.0.0.1:10062/readyz"))?;
        let status = self.status()?;
        let is_shared = processes == Processes::Own;
        ensure!(
            status["shared_kernel"] == is_shared,
            "shared_kernel is {} in {status}",
            status["shared_kernel"]
        );
        let found = self.inside(&["check"])?;
        let lacks = found.lines().filter(|line| !line.starts_with("ok "));
        println!("{}", lacks.collect::<Vec<_>>().join("\n"));
        ensure!(
            !is_unified() || found.contains("limits of units are known"),
            "limits of units are not known: {found}"
        );
        let attacker = Background::start_until_ready(&mut peers::command(
            &network.middle,
            "attacker",
            &address,
        )?)?;
        let peer = network.address_of_middle(0);
        self.until("the attack is flagged", || {
            let events = self.inside(&["events"])?;
            ensure!(events.contains("stall-hoard"), "{events}");
            Ok(events)
        })?;
        let listed = self.inside(&["peers"])?;
        println!("{}", listed.trim_end());
        ensure!(listed.contains(&peer), "{peer} is not among the peers");
        let rows: Value = serde_json::from_str(&self.inside(&["peers", "--json"])?)?;
        let owners = rows[0]["processes"].as_array().map_or(0, Vec::len);
        match processes {
            Processes::Shared => ensure!(owners > 0, "the server is not named: {rows}"),
            Processes::Own => ensure!(owners == 0, "who is out of sight is named: {rows}"),
        }
        let metrics = self.curl("http://127.0.0.1:10062/metrics")?;
        let stalled = format!("detector_peer_pinned_bytes{{peer=\"{peer}\"}}");
        ensure!(metrics.contains(&stalled), "no {stalled} among the metrics");
        drop(attacker);
        Ok(())
    }

    /// It ends well when it is asked to, and leaves what it recorded.
    fn stop(&self) -> Result<()> {
        output(self.podman().args(["stop", "--time", GRACE_SECONDS, NAME]))?;
        let format = ["inspect", "--format", "{{.State.ExitCode}}", NAME];
        let code = output(self.podman().args(format))?;
        ensure!(code.trim() == "0", "it ended with {code}\n{}", self.log());
        output(self.podman().args(["rm", NAME]))?;
        let recorder = self.scratch.path.join("volumes/state/recorder.db");
        let size = recorder.metadata().map_or(0, |found| found.len());
        ensure!(size > 0, "nothing was recorded in {}", recorder.display());
        fs::remove_dir_all(self.scratch.path.join("volumes/state"))?;
        println!("stopped with exit code 0, {size} bytes recorded\n");
        Ok(())
    }

    fn status(&self) -> Result<Value> {
        let pid = output(
            self.podman()
                .args(["inspect", "--format", "{{.State.Pid}}", NAME]),
        )?;
        let root = format!("/proc/{}/root", pid.trim());
        let asked = output(
            Command::new("curl")
                .args(["--silent", "--fail", "--unix-socket"])
                .arg(Path::new(&root).join("run/detector/control.sock"))
                .arg("http://localhost/v1/status"),
        )?;
        Ok(serde_json::from_str(&asked)?)
    }

    /// A command of the program, in the container.
    fn inside(&self, arguments: &[&str]) -> Result<String> {
        output(
            self.podman()
                .args(["exec", NAME, "/usr/bin/detector"])
                .args(arguments),
        )
    }

    fn curl(&self, url: &str) -> Result<String> {
        let mut curl = within(&self.namespace, Path::new("curl"));
        output(curl.args(["--silent", "--show-error", "--fail", url]))
    }

    fn log(&self) -> String {
        output(self.podman().args(["logs", NAME])).unwrap_or_default()
    }

    /// Asks until the answer is good.
    fn until(&self, what: &str, ask: impl Fn() -> Result<String>) -> Result<()> {
        let began = Instant::now();
        loop {
            match ask() {
                Ok(_) => {
                    println!("{what} after {:.1} s", began.elapsed().as_secs_f64());
                    return Ok(());
                }
                Err(why) if began.elapsed() > PATIENCE => {
                    bail!("not {what}: {why:#}\n{}", self.log());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(
            self.podman()
                .args(["rm", "--force", "--time", "3", NAME])
                .output(),
        );
    }
}

fn is_unified() -> bool {
    Path::new(UNIFIED).exists()
}
