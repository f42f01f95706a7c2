//! A random mix of crafted peers: the agent counts shrinks by severity, zero-window episodes and
//! retransmits as an independent reading of the capture does, or falls short only as far as the
//! kernel says that it merged acknowledgements before anybody could see them, or left out a program.
//!
//! One thing no peer of the mix does: say a smaller window above zero with the acknowledgement
//! number of the one before. The kernel does not take it, and may be told the larger one again
//! without a trace; how such windows count has stories of its own.
//!
//! `DETECTOR_SEED=N` plays the mix of that seed again.

use crate::stage::{both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, PeerView};
use detector_tests::dice::Dice;
use detector_tests::expect;
use detector_tests::lab::{Family, Namespace, peer_key};
use detector_tests::peers::crafted::{Host, Peer, Policy, Profile};
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::truth::{self, Counts};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PEERS: u8 = 12;
const STEPS: u32 = 30;
/// Nothing new for so long is looked at as the end of what the server may send.
const QUIET: Duration = Duration::from_millis(12);

both_families!(random_mix_is_counted_as_captured);

fn random_mix_is_counted_as_captured(family: Family) -> Result<()> {
    let seed = seed()?;
    Story::play(&suffix("differential", family), family, |story| {
        compare(story, seed)
    })
    .with_context(|| format!("DETECTOR_SEED={seed}"))
}

fn seed() -> Result<u64> {
    if let Ok(text) = std::env::var("DETECTOR_SEED") {
        return text
            .parse()
            .with_context(|| format!("DETECTOR_SEED={text}"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::from(now.subsec_nanos()) ^ u64::from(std::process::id()) << 32)
}

fn compare(story: &Story, seed: u64) -> Result<()> {
    let agent = Agent::start(story.folder())?;
    let ip = story.lab.addresses.tun_server(story.family);
    let host = Host::start(story.lab.open_tun()?)?;
    let server = TinyServer::start(story.server(), ip)?;
    let capture = story.capture_tun()?;
    let merged_before = merged_acks(story.server())?;
    std::thread::scope(|scope| {
        let playing: Vec<_> = (0..PEERS)
            .map(|number| {
                let local = SocketAddr::new(
                    story.lab.addresses.crafted(story.family, number),
                    40_000 + u16::from(number),
                );
                let mut dice = Dice::new(seed, u64::from(number));
                let (host, server) = (&host, &server);
                scope.spawn(move || play(host, local, server, &mut dice))
            })
            .collect();
        playing.into_iter().try_for_each(|play| {
            play.join()
                .unwrap_or_else(|_| anyhow::bail!("a play panicked"))
        })
    })?;
    let counts = by_peer(&truth::read(&capture.finish()?, server.address())?);
    let merged = merged_acks(story.server())? - merged_before;
    let total: u64 = counts.values().map(shrinks).sum();
    ensure!(total > 0, "the mix shrank nothing: {counts:?}");
    expect_same(&agent, &counts, merged)
}

/// One peer: asks for much and says random windows, most of them bad.
fn play(host: &Host, local: SocketAddr, server: &TinyServer, dice: &mut Dice) -> Result<()> {
    let shift = u8::try_from(dice.below(15))?;
    let unit = 1_u32 << shift;
    let mss = u16::try_from(536 + dice.below(900))?;
    let most = (65_535 << shift).min(400_000) / unit;
    let mut profile = Profile::default().mss(mss).shift(shift);
    // Two segments at least: below, Linux cuts its own segments, and the capture does not show it.
    profile = profile.window(most.min(65_535) * unit);
    if dice.below(4) == 0 {
        profile = profile.without_timestamps();
    }
    let peer = host.connect(local, server.address(), profile)?;
    peer.policy(Policy::Silent);
    peer.request("/bytes/20000000")?;
    let mut said = Said {
        acked: 0,
        units: most.min(65_535),
        unit,
        most,
    };
    for _ in 0..STEPS {
        let arrived = settle(&peer, server)?;
        said.step(&peer, dice, arrived)?;
    }
    settle(&peer, server)?;
    peer.say().rst().send()
}

/// Waits until the server has sent all that it may, and returns how much came: what the peer says
/// then meets the state that the capture shows. A server that has lost the processor in the midst
/// of a write is quiet, too, but holds its socket: what comes then is captured before it counts.
fn settle(peer: &Peer, server: &TinyServer) -> Result<u64> {
    expect::until("the server has settled", PATIENCE, || {
        let arrived = peer.wait_quiet(QUIET)?;
        Ok(server.is_waiting(peer.address())?.then_some(arrived))
    })
}

/// What a peer said last.
struct Said {
    acked: u64,
    /// Its window, in units of `unit` bytes, `most` at most.
    units: u32,
    unit: u32,
    most: u32,
}

impl Said {
    /// Says one thing more.
    fn step(&mut self, peer: &Peer, dice: &mut Dice, arrived: u64) -> Result<()> {
        if dice.below(8) == 0 && self.acked > 1_000 {
            // A late segment with an old acknowledgement: it says nothing.
            let late = dice.below(self.most + 1) * self.unit;
            peer.say().ack(self.acked - 1_000).window(late).send()?;
            self.units = self.most;
        } else {
            let news = u32::try_from(arrived - self.acked)?;
            let taken = match dice.below(4) {
                0 => 0,
                1 => news,
                _ => dice.below(news + 1),
            };
            let units = match dice.below(6) {
                0 | 1 => 0,
                2 => (1 + dice.below(3)).min(self.most),
                3 => self.most,
                _ => dice.below(self.most + 1),
            };
            let is_in_doubt = taken == 0 && units > 0;
            self.units = if is_in_doubt {
                units.max(self.units)
            } else {
                units
            };
            self.acked += u64::from(taken);
        }
        let window = self.units * self.unit;
        peer.say().ack(self.acked).window(window).send()
    }
}

/// Sums over the connections of each peer, as the agent names it: IPv6 peers are one network.
fn by_peer(connections: &BTreeMap<SocketAddr, Counts>) -> BTreeMap<String, Counts> {
    let mut peers: BTreeMap<String, Counts> = BTreeMap::new();
    for (remote, counts) in connections {
        let sum = peers.entry(peer_key(remote.ip())).or_default();
        sum.polite += counts.polite;
        sum.below_flight += counts.below_flight;
        sum.treason += counts.treason;
        sum.zero_window_episodes += counts.zero_window_episodes;
        sum.retransmits_window_probe += counts.retransmits_window_probe;
        sum.retransmits_open_window += counts.retransmits_open_window;
    }
    peers
}

const fn shrinks(counts: &Counts) -> u64 {
    counts.polite + counts.below_flight + counts.treason
}

/// Waits until the counts fall short by no more than what was merged and what the agent itself says
/// it has missed; none may then be too high, nor become so.
fn expect_same(agent: &Agent, truth: &BTreeMap<String, Counts>, merged: u64) -> Result<()> {
    let look = || -> Result<Vec<Difference>> { Ok(differences(&agent.peers()?, truth)) };
    let waited = expect::until("the agent counts as captured", PATIENCE, || {
        let missing: u64 = look()?.iter().map(Difference::missing).sum();
        // A run may have been for an acknowledgement or for what was sent again, two segments at
        // a time.
        let excused = merged + 2 * agent.runs_left_out()?;
        Ok((missing <= excused).then_some(()))
    });
    waited.with_context(|| {
        let left_out = agent.runs_left_out();
        format!(
            "it differs: {:?}; merged {merged}, left out {left_out:?}",
            look()
        )
    })?;
    agent.wait_sweeps(2)?;
    let found = look()?;
    ensure!(
        found.iter().all(|each| each.seen <= each.captured),
        "the agent counts too much: {found:?}; captured {truth:?}"
    );
    Ok(())
}

#[derive(Debug)]
#[allow(dead_code, reason = "read by whoever reads the failure")]
struct Difference {
    peer: String,
    what: &'static str,
    captured: u64,
    seen: u64,
}

impl Difference {
    const fn missing(&self) -> u64 {
        self.captured.saturating_sub(self.seen)
    }
}

fn differences(peers: &[PeerView], truth: &BTreeMap<String, Counts>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (key, counts) in truth {
        let peer = peers.iter().find(|peer| peer.peer == *key);
        let of = |pick: fn(&PeerView) -> u64| peer.map_or(0, pick);
        for (what, captured, seen) in [
            (
                "polite",
                counts.polite,
                of(|peer| peer.window_shrinks.polite),
            ),
            (
                "below_flight",
                counts.below_flight,
                of(|peer| peer.window_shrinks.below_flight),
            ),
            (
                "treason",
                counts.treason,
                of(|peer| peer.window_shrinks.treason),
            ),
            (
                "zero_window_episodes",
                counts.zero_window_episodes,
                of(|peer| peer.zero_window_episodes),
            ),
            (
                "window_probe",
                counts.retransmits_window_probe,
                of(|peer| peer.retransmits.window_probe),
            ),
            (
                "loss or tail_probe",
                counts.retransmits_open_window,
                of(|peer| peer.retransmits.into_open_window()),
            ),
        ] {
            if captured != seen {
                found.push(Difference {
                    peer: key.clone(),
                    what,
                    captured,
                    seen,
                });
            }
        }
    }
    found
}

/// `TcpExt: TCPBacklogCoalesce` of the namespace: segments merged while a process held the socket.
fn merged_acks(namespace: &Namespace) -> Result<u64> {
    let text = namespace.enter(|| {
        std::fs::read_to_string("/proc/thread-self/net/netstat").context("read netstat")
    })?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let names = lines.next().context("no TcpExt in netstat")?;
    let values = lines.next().context("no values of TcpExt in netstat")?;
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs
        .find(|(name, _)| *name == "TCPBacklogCoalesce")
        .context("no TCPBacklogCoalesce in netstat")?;
    value.parse().with_context(|| format!("number {value}"))
}
