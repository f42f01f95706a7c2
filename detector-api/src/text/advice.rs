//! What to do, with values that fit what was seen.

mod circumstances;

pub use circumstances::{Circumstances, Servers};

use super::evidence::interface_counts;
use super::figures::{connections, counted, unknown_code};
use crate::snapshot::{Advice, HeldWorkers, InterfaceCounts, Verdict};
use crate::units;

/// Something to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What and why, one sentence or two.
    pub what: String,
    /// Settings and commands to copy, each with what it does not do.
    pub settings: Vec<Setting>,
}

/// A setting to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Lines as they go into a file or a shell.
    pub lines: Vec<String>,
    /// Where they go, and what they do not cover.
    pub note: String,
}

fn setting(lines: &[&str], note: impl Into<String>) -> Setting {
    Setting {
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        note: note.into(),
    }
}

/// A piece of advice in words and settings.
pub fn advice(advice: &Advice, around: &Circumstances) -> Step {
    match advice {
        Advice::LookAtPath {
            interfaces,
            over_seconds,
        } => look_at_path(interfaces, *over_seconds, around),
        Advice::LimitConnections {
            stalled_connections,
        } => limit_connections(*stalled_connections, around),
        Advice::ResetStalled {
            stalled_connections,
        } => reset_stalled(*stalled_connections, around),
        Advice::BoundWaiting {
            longest_stall_seconds,
        } => bound_waiting(*longest_stall_seconds, around),
        Advice::BoundMemory {
            pinned_bytes_per_connection,
        } => bound_memory(*pinned_bytes_per_connection, around),
        Advice::BoundOrphans { orphan_connections } => bound_orphans(*orphan_connections, around),
        Advice::BoundOwnClient {
            outgoing_connections,
        } => bound_own_client(*outgoing_connections),
        Advice::TellPeerOperator {} => Step {
            what: "Tell whoever runs the peer that its windows go back; send this card along. If \
                   the peer is yours, look at net.ipv4.tcp_shrink_window, at its memory, and at \
                   shapers and proxies on the path."
                .to_owned(),
            settings: Vec::new(),
        },
        Advice::Nothing {} => Step {
            what: "Nothing: what it holds is small, and honest clients do the same.".to_owned(),
            settings: Vec::new(),
        },
        Advice::Other { code, numbers } => Step {
            what: unknown_code(code, numbers) + ".",
            settings: Vec::new(),
        },
    }
}

fn look_at_path(lately: &InterfaceCounts, over_seconds: f64, around: &Circumstances) -> Step {
    let mut what = "Look at the path between you: cables, switch ports, network cards, MTU, \
                    shapers, firewall state."
        .to_owned();
    match &around.interfaces {
        Some((total, last_minute)) => {
            what += &format!(
                " Interfaces of this host count {} since they came up; {} in the last minute.",
                interface_counts(total),
                interface_counts(last_minute),
            );
        }
        None => {
            let counts = interface_counts(lately);
            let span = units::seconds(over_seconds);
            what += &format!(" Interfaces of this host count {counts} in {span}.");
        }
    }
    let mut lines = vec![
        "ip -s link".to_owned(),
        "ethtool -S DEVICE | grep -Ei 'err|drop|crc'".to_owned(),
    ];
    if let Some(address) = around.address {
        lines.push(format!("tracepath -n {address}"));
    }
    let note = "Counters of the interfaces; then the way, with its MTU".to_owned();
    let settings = vec![Setting { lines, note }];
    Step { what, settings }
}

/// Connections that one address may have: more than browsers open, some users behind one address
/// included.
const CONNECTIONS_EACH: u32 = 20;

fn limit_connections(stalled_connections: u64, around: &Circumstances) -> Step {
    let mut settings = Vec::new();
    if around.servers.has_nginx || around.servers.is_unknown() {
        let limit = format!("limit_conn peers {CONNECTIONS_EACH};");
        let zone = "limit_conn_zone $binary_remote_addr zone=peers:10m;";
        settings.push(setting(&[zone, &limit], "nginx, section `http`"));
    }
    let (kind, family) = if around.is_ipv6 {
        ("ipv6_addr", "ip6")
    } else {
        ("ipv4_addr", "ip")
    };
    let source = if around.is_ipv6 {
        "ip6 saddr & ffff:ffff:ffff:ffff::"
    } else {
        "ip saddr"
    };
    let ports: Vec<String> = around.ports.iter().map(u16::to_string).collect();
    let ports = if ports.is_empty() {
        "80, 443".to_owned()
    } else {
        ports.join(", ")
    };
    settings.push(setting(
        &[
            &format!("set busy {{ type {kind}; size 65535; flags dynamic; }}"),
            &format!(
                "tcp dport {{ {ports} }} ct state new add @busy {{ {source} ct count over \
                 {CONNECTIONS_EACH} }} reject with tcp reset"
            ),
        ],
        format!(
            "nftables: the set in a table of family inet or {family}, the rule in its input \
             chain. Proxies in front of many users need more"
        ),
    ));
    Step {
        what: format!(
            "Limit connections for each address: this one has {stalled_connections} stalled, a \
             browser opens about 6."
        ),
        settings,
    }
}

fn reset_stalled(stalled_connections: u64, around: &Circumstances) -> Step {
    let peer = around
        .address
        .map_or("PEER".to_owned(), |address| address.to_string());
    let line = format!("detector reset {peer} --stalled-for 30s --dry-run");
    let note = "Says what would be closed; without --dry-run it is";
    let mut settings = vec![setting(&[&line], note)];
    let is_attack = matches!(
        around.verdict,
        Some(Verdict::ZeroWindowAttack | Verdict::SlowReadAttack)
    );
    // Never said of an address that others share, or may share by now.
    if is_attack && around.is_alone {
        let line = format!("detector block {peer} --for 10m");
        let note = "If it comes back: drops all that it sends; ends by itself";
        settings.push(setting(&[&line], note));
    }
    Step {
        what: format!(
            "Close what is stalled ({}), and nothing else: it frees what they hold, and hits nobody else \
             who uses this address.",
            connections(stalled_connections)
        ),
        settings,
    }
}

/// Half of the longest stall, in steps of 5 s, from 15 s to 30 s: long against pauses of honest
/// readers, short against what was seen.
fn timeout_seconds(longest_stall_seconds: f64) -> u32 {
    let steps = [30, 25, 20];
    let is_enough = |seconds: &u32| f64::from(*seconds) * 2.0 <= longest_stall_seconds;
    steps.into_iter().find(is_enough).unwrap_or(15)
}

fn bound_waiting(longest: f64, around: &Circumstances) -> Step {
    let timeout = timeout_seconds(longest);
    let servers = around.servers;
    let is_unknown = servers.is_unknown();
    let mut settings = Vec::new();
    if servers.has_nginx || is_unknown {
        let send = format!("send_timeout {timeout}s;");
        let note = "nginx. Without the second line what timed out lives on as an orphan";
        settings.push(setting(&[&send, "reset_timedout_connection on;"], note));
    }
    if servers.has_apache || is_unknown {
        let note = "Apache httpd (Debian ships 300). mod_reqtimeout does not cover it: that limits \
                    how a request comes in, not how a response goes out";
        settings.push(setting(&[&format!("Timeout {timeout}")], note));
    }
    if servers.has_haproxy {
        let line = format!("bind :443 tcp-ut {timeout}s");
        settings.push(setting(
            &[&line],
            "HAProxy, TCP_USER_TIMEOUT of its clients",
        ));
    }
    if servers.has_others || is_unknown {
        let line = format!(
            "setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(unsigned){{{}}}, 4)",
            timeout * 1_000
        );
        let note = "Servers of your own. Linux 5.11 and later then give up also while the peer \
                    answers probes";
        settings.push(setting(&[&line], note));
    }
    let mut what = format!(
        "End connections that do not move: the longest stall lasted {}, {timeout} s is short \
         against that and long against an honest pause.",
        units::seconds(longest),
    );
    if longest < f64::from(timeout) {
        what = format!(
            "End connections that do not move, if this goes on: the longest stall lasted {}, \
             and less than {timeout} s would end honest pauses too.",
            units::seconds(longest),
        );
    }
    if around.verdict == Some(Verdict::SlowReadAttack) {
        what += " Timeouts do not see a reader that takes a few bytes now and then; only a limit \
                 on connections does.";
    }
    Step { what, settings }
}

/// A send buffer that serves 100 Mbit/s over 80 ms.
const WMEM_BYTES: u64 = 1 << 20;
/// A smaller maximum than this slows honest clients down.
const WMEM_LEAST_BYTES: u64 = 256 << 10;

fn bound_memory(each: u64, around: &Circumstances) -> Step {
    let shown = units::bytes(each);
    let Some([least, initial, most]) = around.tcp_wmem else {
        return Step {
            what: format!(
                "Bound what one connection pins: {shown} each now, the maximum of \
                 net.ipv4.tcp_wmem is the limit."
            ),
            settings: Vec::new(),
        };
    };
    let maximum = units::bytes(most);
    // Four fifths.
    let is_near = each >= most - most / 5;
    if !is_near || most <= WMEM_LEAST_BYTES {
        return Step {
            what: format!(
                "Leave net.ipv4.tcp_wmem as it is: each connection pins {shown} of at most \
                 {maximum}; their number is what costs."
            ),
            settings: Vec::new(),
        };
    }
    let lower = if most > WMEM_BYTES {
        WMEM_BYTES
    } else {
        most / 2
    }
    .max(WMEM_LEAST_BYTES);
    let line = format!("sysctl -w net.ipv4.tcp_wmem=\"{least} {initial} {lower}\"");
    let pace = units::pace(lower * 10);
    let note = format!(
        "For connections made from now on. At a round trip of 100 ms one is then limited to {pace}"
    );
    Step {
        what: format!(
            "Bound what one connection pins: {shown} each, about the maximum of \
             net.ipv4.tcp_wmem, {maximum}."
        ),
        settings: vec![setting(&[&line], note)],
    }
}

/// Retries that end an orphan after seconds.
const ORPHAN_RETRIES: u64 = 3;

fn bound_orphans(orphans: u64, around: &Circumstances) -> Step {
    let orphans = counted(orphans, "orphan", "orphans");
    let now = match around.tcp_orphan_retries {
        Some(0) => "It is 0 now, which means 8".to_owned(),
        Some(number) => format!("It is {number} now"),
        None => "The usual 0 means 8".to_owned(),
    };
    let line = format!("sysctl -w net.ipv4.tcp_orphan_retries={ORPHAN_RETRIES}");
    let settings = match around.tcp_orphan_retries {
        Some(1..=ORPHAN_RETRIES) => Vec::new(),
        _ => vec![setting(&[&line], now)],
    };
    let asked = if settings.is_empty() {
        "net.ipv4.tcp_orphan_retries is low already".to_owned()
    } else {
        "Give orphans up sooner".to_owned()
    };
    Step {
        what: format!(
            "{asked}: no process holds its {orphans} any more. The setting ends those whose peer \
             is silent or took the window back over data in flight; one whose peer answers each \
             probe lasts about three and a half minutes whatever the number."
        ),
        settings,
    }
}

fn bound_own_client(outgoing: u64) -> Step {
    let note = "curl, as an example: gives up after 30 s below 1 kB/s, in either direction";
    Step {
        what: format!(
            "Give our own client a time limit and a least pace: {} that we opened wait for the \
             other side.",
            connections(outgoing)
        ),
        settings: vec![setting(
            &["curl --speed-limit 1000 --speed-time 30 URL"],
            note,
        )],
    }
}

/// What to do about workers that wait for peers that do not read, if any are known to.
pub fn workers(service: &HeldWorkers, servers: Servers) -> Option<Step> {
    let held = service.held?;
    let settings = if servers.has_apache {
        let note = "Apache httpd: under the event MPM the rest of a finished response waits \
                    without a worker. Size MaxRequestWorkers for memory";
        vec![setting(
            &["a2dismod mpm_prefork && a2enmod mpm_event"],
            note,
        )]
    } else {
        Vec::new()
    };
    Some(Step {
        what: format!(
            "Mind the workers of {}: {held} of {} sleep in a write to peers that do not read. More of \
             them only help for as long as the peer does not open more connections: limit \
             connections for each address first, and size the number of workers for memory.",
            service.service, service.total
        ),
        settings,
    })
}

#[cfg(test)]
mod tests {
    use super::timeout_seconds;

    #[test]
    fn timeouts_fit_what_was_seen() {
        assert_eq!(timeout_seconds(0.0), 15);
        assert_eq!(timeout_seconds(29.0), 15);
        assert_eq!(timeout_seconds(40.0), 20);
        assert_eq!(timeout_seconds(59.0), 25);
        assert_eq!(timeout_seconds(4_000.0), 30);
        assert_eq!(timeout_seconds(f64::NAN), 15);
    }
}
