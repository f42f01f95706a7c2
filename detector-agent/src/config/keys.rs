//! Every key of the configuration file, once: for refusing unknown keys and for the reference.

use super::sections::Config;
use super::told;
use std::fmt::Display;
use std::path::Path;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// `section.name`.
    pub path: &'static str,
    /// Section without brackets.
    pub section: &'static str,
    /// Name within the section.
    pub name: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Whether `SIGHUP` applies it; otherwise a restart is needed.
    pub is_reloaded: bool,
    /// Its value in a configuration, as it is written in TOML.
    pub value: fn(&Config) -> String,
}

impl Key {
    /// Its value as JSON: numbers, words and lists as in TOML.
    #[must_use]
    pub fn json(&self, config: &Config) -> serde_json::Value {
        let written = (self.value)(config);
        let table = toml::from_str::<serde_json::Value>(&format!("value = {written}"));
        let mut table = table.unwrap_or_default();
        table["value"].take()
    }
}

fn number(value: &impl Display) -> String {
    value.to_string()
}

fn quoted(value: &impl Display) -> String {
    format!("{:?}", value.to_string())
}

fn path(value: &Path) -> String {
    quoted(&value.display())
}

fn list(values: &[impl Display]) -> String {
    let values: Vec<_> = values.iter().map(quoted).collect();
    format!("[{}]", values.join(", "))
}

macro_rules! keys {
    ($($section:ident.$name:ident $applied:ident $written:ident $meaning:literal;)*) => {
        /// All keys in the order of the reference.
        pub const KEYS: &[Key] = &[$(Key {
            path: concat!(stringify!($section), ".", stringify!($name)),
            section: stringify!($section),
            name: stringify!($name),
            meaning: $meaning,
            is_reloaded: keys!(@$applied),
            value: |config| $written(&config.$section.$name),
        }),*];
    };
    (@on_reload) => { true };
    (@on_restart) => { false };
}

keys! {
    web.listen_addresses on_restart list
        "Addresses and ports that serve metrics. On anything but loopback, everyone who can connect sees the addresses of your clients.";
    web.telemetry_path on_restart quoted
        "Path of the metrics.";
    web.config_file on_restart path
        "File with the certificate, the key and the users for the metrics, in the format of Prometheus' exporter-toolkit (`--web.config.file`, [web](web.md)); empty for none. Changes in it, and a new certificate, are taken up without a reload.";
    web.tls_required on_restart number
        "Whether to refuse to start where metrics would be served in plain text on anything but loopback.";
    control.socket on_restart path
        "Unix socket that commands talk to; readable and writable by its owner and group.";
    control.actions on_restart number
        "Whether root and the agent's own user may ask it to reset and to block. Where nobody may and the guard is off, the agent gives up `CAP_NET_ADMIN` at its start.";
    detect.scope on_restart quoted
        "`host` watches the sockets of all network namespaces and all OOM kills. `container` watches those of the network namespace and of the control group that the agent itself is in: for an agent in a container that is to see no other; load and memory stay those of the host, OOM kills are those in that control group, as far as the kernel counts them by group (cgroup v2) or its log names the group (in a control-group namespace of the container's own its name there is not known, and the log is believed as far as the kernel counts a kill in the group), and who holds TCP's memory is not looked for.";
    detect.stall_after on_reload quoted
        "A connection whose queued data makes no progress for this long is stalled.";
    detect.dribble_floor on_reload quoted
        "A peer that drains less than this while its window is the limit dribbles.";
    detect.dribble_over on_reload quoted
        "The time over which `dribble_floor` is measured.";
    detect.hoard_connections on_reload number
        "This many stalled connections of one peer are a hoard.";
    detect.hoard_bytes on_reload quoted
        "This much kernel memory pinned by one peer is a hoard.";
    peers.trusted on_reload list
        "Networks that the agent neither blocks nor advises to block.";
    peers.ignore on_reload list
        "Networks that are not watched at all.";
    peers.ipv6_prefix on_restart number
        "IPv6 addresses with this many leading bits in common are one peer.";
    peers.export on_reload number
        "Peers with metrics of their own; the rest are summed under `other`. A peer that drops out of this list keeps its metrics for a quarter of an hour, so that for a while up to twice as many have some.";
    peers.capacity on_restart number
        "Peers remembered at most; the least costly is forgotten first.";
    peers.networks_file on_reload path
        "File in MaxMind's format (`.mmdb`) that says whose network an address is in and in which country, for `detector report --config FILE`; empty for none. The agent itself does not read it.";
    recorder.enabled on_restart number
        "Whether a flight recorder is kept in the state directory: what happened outlives the agent and the host.";
    recorder.size on_restart quoted
        "Its size at most; where room runs short, detail goes before findings and the newest incidents stay longest.";
    recorder.age on_restart quoted
        "How long anything is kept at most.";
    guard.mode on_reload quoted
        "`off`: the agent acts only when somebody asks it to. `dry-run`: the guard says what it would do. `enforce`: it acts by itself while the host is under pressure ([guard](guard.md)). A reload brings it to act only where the agent kept `CAP_NET_ADMIN` at its start, which it does if the guard was on or operators may act.";
    guard.pinned on_reload quoted
        "This much kernel memory pinned by stalled connections that peers have opened by the host's way in is pressure.";
    guard.tcp_memory_share on_reload quoted
        "So is this share of what the kernel gives TCP at most (`net.ipv4.tcp_mem`).";
    guard.unit_memory_share on_reload quoted
        "So is this share of the memory that a unit or container may have.";
    guard.workers_share on_reload quoted
        "So is this share of a service's workers that wait for stalled connections.";
    guard.reset_after on_reload quoted
        "What a peer that is not accused holds is reset after so long, what an accused one holds at once.";
    guard.reset_shared on_reload number
        "Whether what has been stalled for `reset_after` behind an address that others use, too, is reset; it is left alone otherwise.";
    guard.block_for on_reload quoted
        "How long a limit or a block of the guard stands.";
    guard.resets_per_minute on_reload number
        "Connections that the guard resets in a minute at most.";
    guard.blocks_per_minute on_reload number
        "Limits and blocks that it makes in a minute at most; 0 for none ever.";
    guard.well_behaved_max on_reload number
        "A peer with more connections that behave than this is neither limited nor blocked.";
    budget.cpu_share on_restart quoted
        "Share of one core that the agent may use over ten seconds, answering requests aside; where it would use more it gives up, in this order, windows of suspects in the flight recorder, the processes behind newly stalled connections with workers held and memory of units (not while the guard is on, which needs them), and sweeps beyond `sweep_share_idle`, and says so: in its log, its status, its metrics and among the events.";
    budget.connections on_restart number
        "Misbehaving connections tracked at most, in the kernel and in the agent.";
    budget.events on_restart number
        "Events kept for readers that come later.";
    budget.nice on_restart number
        "Niceness of the threads that judge, as `nice` has it; below 0 they run ahead of others on a busy host. Left alone if the agent was started with a niceness other than 0.";
    budget.ring on_restart quoted
        "Size of the ring buffer between kernel and agent; a power of two.";
    budget.sweep_interval on_restart quoted
        "Time from one look at what the hooks have noted, and a pass over the sockets of the network namespaces that it names, to the next, if the shares below allow it.";
    budget.sweep_share_idle on_restart quoted
        "Share of one core that passes may take while nothing is held up; where they would cost more, they come less often, but at least every 10 s. Those over network namespaces of other user namespaces have a share of their own, as large.";
    budget.sweep_share_busy on_restart quoted
        "The same while something is held up; at least `sweep_share_idle`.";
}

/// Whether a section of this name exists.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section == name)
}

/// Names of the sections, each once.
pub fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = KEYS.iter().map(|key| key.section).collect();
    sections.dedup();
    sections
}

impl Config {
    /// Keys that differ from `running` and that only a restart applies.
    pub(crate) fn needs_restart(&self, running: &Self) -> Vec<String> {
        KEYS.iter()
            .filter(|key| !key.is_reloaded && (key.value)(self) != (key.value)(running))
            .map(|key| key.path.to_owned())
            .collect()
    }

    /// What is not as it comes, for the record: `detect.stall_after = "5s"`.
    pub(crate) fn settings(&self) -> Vec<String> {
        let usual = Self::default();
        let values = KEYS.iter().map(|key| (key, (key.value)(self)));
        let set = values.filter(|(key, value)| *value != (key.value)(&usual));
        set.map(|(key, value)| told::setting(key.path, &value, &key.json(self)))
            .collect()
    }

    /// What a reload changes, for the record: `detect.stall_after = "5s" (was "10s")`.
    pub(crate) fn changes(&self, before: &Self) -> Vec<String> {
        let reloaded = KEYS.iter().filter(|key| key.is_reloaded);
        let values = reloaded.map(|key| (key, (key.value)(self), (key.value)(before)));
        let changed = values.filter(|(_, value, before)| value != before);
        changed
            .map(|(key, value, was)| {
                let json = [&key.json(self), &key.json(before)];
                told::change(key.path, [&value, &was], json)
            })
            .collect()
    }
}
