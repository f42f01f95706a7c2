//! `cargo xtask dist --container`: the image in a real engine, with what the DaemonSet gives it and no more, and as
//! docs/install.md says, beside servers that are attacked: one of the node, one of a pod.
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
use super::pod::{self, Pod};
use super::podman_run;
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
/// Network namespaces with a server: the node's own, in which the agent is, and a pod's.
const HOSTS: usize = 2;
/// The second one.
const POD: usize = 1;
const PATIENCE: Duration = Duration::from_secs(60);
/// As the DaemonSet says: `terminationGracePeriodSeconds`.
const GRACE_SECONDS: &str = "10";
/// Open files and processes. By default podman gives more of both than a root may who lacks CAP_SYS_RESOURCE.
const ULIMITS: [&str; 2] = ["nofile=4096:4096", "nproc=4096:4096"];
/// There where all of it is cgroup v2. Beside controllers of v1, crun does not run, and runc does.
const UNIFIED: &str = "/sys/fs/cgroup/cgroup.controllers";

/// How the container is started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As the DaemonSet says.
    Node,
    /// The same without the host's processes.
    NodeWithoutProcesses,
    /// By the command of the page on installing.
    Page,
}

pub(super) fn try_out(release: &Release, may_install: bool) -> Result<()> {
    ensure!(is_root(), "running the image as a node does needs root");
    let purpose = "running the image";
    need(&PROGRAMS, purpose, may_install)?;
    if !is_unified() {
        need(&[("runc", "runc")], purpose, may_install)?;
    }
    let set = DaemonSet::read()?;
    let network = Network::make(HOSTS)?;
    let engine = Engine::start(release, &network)?;
    println!("loaded: {}", engine.image);
    let pod = Pod::make()?;
    let serve = |host| {
        let address = network.address(host, 8080);
        let mut server = peers::command(&network.host(host), "server", &address)?;
        if host == POD {
            server = pod.command(&server);
        }
        Background::start_until_ready(&mut server)
    };
    let servers = (0..HOSTS).map(serve).collect::<Result<Vec<_>>>()?;
    for way in [Way::Node, Way::NodeWithoutProcesses, Way::Page] {
        match way {
            Way::Page => engine.run_as_told()?,
            _ => engine.run(&set, way)?,
        }
        engine.look(way, &network)?;
        engine.stop()?;
    }
    drop(servers);
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
        match mount.name.as_str() {
            "groups" => return Ok(PathBuf::from("/sys/fs/cgroup")),
            "namespaces" => return Ok(PathBuf::from("/run/netns")),
            _ => {}
        }
        let folder = self.scratch.path.join("volumes").join(&mount.name);
        fs::create_dir_all(&folder).context("cannot make a folder for a volume")?;
        if mount.name == "containers" {
            pod::link_log(&folder)?;
        }
        Ok(folder)
    }

    /// Starts it as a node would.
    fn run(&self, set: &DaemonSet, way: Way) -> Result<()> {
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
        if way == Way::Node {
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
            let access = if mount.is_read_only { "ro" } else { "rw" };
            let propagation = if mount.follows_host { ",rslave" } else { "" };
            let mode = format!("{access}{propagation}");
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

    /// Starts it by the command of the page, beside others of its name if there are any.
    fn run_as_told(&self) -> Result<()> {
        let mut podman = self.podman();
        podman.args(["run", "--detach", "--log-driver", "k8s-file"]);
        for ulimit in ULIMITS {
            podman.args(["--ulimit", ulimit]);
        }
        let state = self.scratch.path.join("volumes/state");
        fs::create_dir_all(&state).context("cannot make a folder for a volume")?;
        for word in podman_run::words()? {
            // What it records is looked at afterwards.
            match word.strip_prefix("detector:/") {
                Some(folder) => podman.arg(format!("{}:/{folder}", state.display())),
                None => podman.arg(word),
            };
        }
        output(&mut podman)
            .with_context(|| format!("podman does not run what {} says", podman_run::PAGE))?;
        println!("running, as {} says", podman_run::PAGE);
        Ok(())
    }

    /// Ready, at peace with its surroundings, and sees attacks on the node and on a pod.
    fn look(&self, way: Way, network: &Network) -> Result<()> {
        self.until("ready", || self.curl("http://127.0.0.1:10062/readyz"))?;
        let status = self.status()?;
        let is_shared = way == Way::NodeWithoutProcesses;
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
        let attack = |host| {
            let address = network.address(host, 8080);
            Background::start_until_ready(&mut peers::command(
                &network.middle,
                "attacker",
                &address,
            )?)
        };
        let attackers = (0..HOSTS).map(attack).collect::<Result<Vec<_>>>()?;
        for host in 0..HOSTS {
            let unit = (host == POD && way == Way::Node).then_some(pod::NAME);
            self.is_accused(&network.address_of_middle(host), way, unit)?;
        }
        println!("{}", self.inside(&["peers"])?.trim_end());
        drop(attackers);
        Ok(())
    }

    /// That takes that the kernel was asked for all connections of the peer, in the namespace they are in. `unit` is
    /// whose they are said to be.
    fn is_accused(&self, peer: &str, way: Way, unit: Option<&str>) -> Result<()> {
        let filter = format!("net={peer}");
        self.until(&format!("{peer} is accused"), || {
            let rows = self.inside(&["peers", "--json", "--filter", &filter])?;
            let found: Value = serde_json::from_str(&rows)?;
            let verdict = found[0]["verdict"].as_str().unwrap_or("none");
            ensure!(verdict.ends_with("-attack"), "{verdict} in {rows}");
            let owners = found[0]["processes"].as_array();
            let owners = owners.map(Vec::as_slice).unwrap_or_default();
            let is_named = way != Way::NodeWithoutProcesses;
            ensure!(owners.is_empty() != is_named, "owners in {rows}");
            ensure!(
                unit.is_none_or(|unit| owners[0]["unit"] == unit),
                "not {unit:?} in {rows}"
            );
            Ok(rows)
        })?;
        let metrics = self.curl("http://127.0.0.1:10062/metrics")?;
        let pinned = format!("detector_peer_pinned_bytes{{peer=\"{peer}\"}}");
        ensure!(metrics.contains(&pinned), "no {pinned} among the metrics");
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
