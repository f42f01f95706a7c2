//! Every key of the configuration file, once: for refusing unknown keys and for the reference.

use super::sections::Config;

/// One key.
pub struct Key {
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

fn quoted(value: impl std::fmt::Display) -> String {
    format!("{:?}", value.to_string())
}

fn list<T: std::fmt::Display>(values: &[T]) -> String {
    let values: Vec<_> = values.iter().map(quoted).collect();
    format!("[{}]", values.join(", "))
}

const fn key(
    section: &'static str,
    name: &'static str,
    is_reloaded: bool,
    value: fn(&Config) -> String,
    meaning: &'static str,
) -> Key {
    Key {
        section,
        name,
        meaning,
        is_reloaded,
        value,
    }
}

/// All keys in the order of the reference.
pub const KEYS: [Key; 20] = [
    key(
        "web",
        "listen_addresses",
        false,
        |c| list(&c.web.listen_addresses),
        "Addresses and ports that serve metrics. On anything but loopback, everyone who can connect \
         sees the addresses of your clients.",
    ),
    key(
        "web",
        "telemetry_path",
        false,
        |c| quoted(&c.web.telemetry_path),
        "Path of the metrics.",
    ),
    key(
        "control",
        "socket",
        false,
        |c| quoted(c.control.socket.display()),
        "Unix socket that commands talk to; readable and writable by its owner and group.",
    ),
    key(
        "detect",
        "stall_after",
        true,
        |c| quoted(c.detect.stall_after),
        "A connection whose queued data makes no progress for this long is stalled.",
    ),
    key(
        "detect",
        "dribble_floor",
        true,
        |c| quoted(c.detect.dribble_floor),
        "A peer that drains less than this while its window is the limit dribbles.",
    ),
    key(
        "detect",
        "dribble_over",
        true,
        |c| quoted(c.detect.dribble_over),
        "The time over which `dribble_floor` is measured.",
    ),
    key(
        "detect",
        "hoard_connections",
        true,
        |c| c.detect.hoard_connections.to_string(),
        "This many stalled connections of one peer are a hoard.",
    ),
    key(
        "detect",
        "hoard_bytes",
        true,
        |c| quoted(c.detect.hoard_bytes),
        "This much kernel memory pinned by one peer is a hoard.",
    ),
    key(
        "peers",
        "trusted",
        true,
        |c| list(&c.peers.trusted),
        "Networks that the agent neither blocks nor advises to block.",
    ),
    key(
        "peers",
        "ignore",
        true,
        |c| list(&c.peers.ignore),
        "Networks that are not watched at all.",
    ),
    key(
        "peers",
        "ipv6_prefix",
        false,
        |c| c.peers.ipv6_prefix.to_string(),
        "IPv6 addresses with this many leading bits in common are one peer.",
    ),
    key(
        "peers",
        "export",
        true,
        |c| c.peers.export.to_string(),
        "Peers with metrics of their own; the rest are summed under `other`. A peer that drops out of \
         this list keeps its metrics for a quarter of an hour, so that for a while up to twice as \
         many have some.",
    ),
    key(
        "peers",
        "capacity",
        false,
        |c| c.peers.capacity.to_string(),
        "Peers remembered at most; the least costly is forgotten first.",
    ),
    key(
        "budget",
        "connections",
        false,
        |c| c.budget.connections.to_string(),
        "Misbehaving connections tracked at most, in the kernel and in the agent.",
    ),
    key(
        "budget",
        "events",
        false,
        |c| c.budget.events.to_string(),
        "Events kept for readers that come later.",
    ),
    key(
        "budget",
        "nice",
        false,
        |c| c.budget.nice.to_string(),
        "Niceness of the threads that judge, as `nice` has it; below 0 they run ahead of others on a \
         busy host. Left alone if the agent was started with a niceness other than 0.",
    ),
    key(
        "budget",
        "ring",
        false,
        |c| quoted(c.budget.ring),
        "Size of the ring buffer between kernel and agent; a power of two.",
    ),
    key(
        "budget",
        "sweep_interval",
        false,
        |c| quoted(c.budget.sweep_interval),
        "Time from the start of one pass over all sockets to the start of the next, if the shares below \
         allow it.",
    ),
    key(
        "budget",
        "sweep_share_idle",
        false,
        |c| quoted(c.budget.sweep_share_idle),
        "Share of one core that passes may take while nothing is held up; where they would cost more, \
         they come less often, but at least every 10 s.",
    ),
    key(
        "budget",
        "sweep_share_busy",
        false,
        |c| quoted(c.budget.sweep_share_busy),
        "The same while something is held up; at least `sweep_share_idle`.",
    ),
];

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
            .map(|key| format!("{}.{}", key.section, key.name))
            .collect()
    }
}
