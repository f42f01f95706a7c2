//! The guard where something fails: the kernel's set is full, the kernel cannot close sockets for others
//! or has no tables that go with their owner, the agent is stopped or killed while it blocks. Each is
//! told in a clear line, the rest goes on, and nothing stays behind.

use super::{
    CLIENTS, JUDGED, attacker, come_back_until, configuration, connections, hoard,
    hoard_in_spite_of_a_limit, start, start_without, steps, tables, wait_note, wait_step,
};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{PeerView, command};
use detector_tests::expect;
use detector_tests::lab::{Family, stdout_of};
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Networks of a family that can be blocked at the same time.
const ROOM: u64 = 1_024;
/// With a connection that gets through within this time nothing is dropped.
const DROPPED: Duration = Duration::from_millis(700);

both_families!(
    a_full_set_is_told_and_loses_nothing,
    where_sockets_cannot_be_closed_the_rest_goes_on,
    where_no_table_goes_with_its_owner_nothing_is_blocked,
    where_nobody_can_be_asked_whom_to_spare_it_does_nothing,
    what_it_made_ends_with_the_agent_or_on_time
);

fn failure(step: &Value) -> Result<&str> {
    let failure = step["guard"]["failure"].as_str();
    failure.with_context(|| format!("it has not failed: {step}"))
}

/// Networks where nobody plays.
fn elsewhere(family: Family) -> impl Iterator<Item = String> {
    (1..=ROOM).map(move |number| match family {
        Family::V4 => format!("198.18.{}.{}/32", number / 256, number % 256),
        Family::V6 => format!("2001:2:0:{number:x}::/64"),
    })
}

fn a_full_set_is_told_and_loses_nothing(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(&format!("guard-full-{}", family.name()), family, |story| {
        let agent = start(story, "off")?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let attacker = attacker(story, family)?;
        // Who is trusted is not blocked; what is blocked stays when it is trusted later.
        agent.reload(super::DETECT)?;
        expect::until("nobody is trusted", PATIENCE, || {
            let body = json!({"network": elsewhere(family).next(), "for_seconds": 3_600});
            Ok((agent.post("/v1/block", &body)?.status == 200).then_some(()))
        })?;
        for network in elsewhere(family) {
            let body = json!({"network": network, "for_seconds": 3_600});
            let answer = agent.post("/v1/block", &body)?;
            ensure!(answer.status == 200, "{network}: {answer:?}");
        }
        let one_more = json!({"network": attacker.to_string(), "for_seconds": 60});
        let refused = agent.post("/v1/block", &one_more)?;
        ensure!(
            refused.status == 409 && refused.body.contains("1024 networks"),
            "{refused:?}"
        );
        agent.reload(&configuration(story, "enforce"))?;

        let (limited, held) =
            come_back_until(story, &agent, (attacker, server.address()), "limit", false)?;
        ensure!(
            failure(&limited)?
                .contains("1024 networks of this family are blocked, which is the limit"),
            "{limited}"
        );
        let blocked: Vec<Value> = serde_json::from_str(&agent.get("/v1/blocked")?.body)?;
        ensure!(
            blocked.len() as u64 == ROOM,
            "{} are blocked",
            blocked.len()
        );
        let table = story.server().stdout_of("nft list table inet detector")?;
        for network in elsewhere(family) {
            let network = network.trim_end_matches("/32");
            ensure!(table.contains(network), "{network} is lost: {table}");
        }
        drop(held);

        // As soon as there is room the same step is made, and only then the next.
        let first = elsewhere(family).next();
        let lifted = agent.post("/v1/unblock", &json!({ "network": first }))?;
        ensure!(lifted.status == 200, "{lifted:?}");
        let both = (attacker, server.address());
        let (limited, held) = come_back_until(story, &agent, both, "limit", false)?;
        ensure!(limited["guard"]["failure"].is_null(), "{limited}");
        let steps = steps(&agent, attacker)?;
        let mut acts = steps.iter().map(|step| &step["guard"]["act"]);
        ensure!(acts.all(|act| act != "block"), "{steps:?}");
        drop(held);
        let _held = hoard_in_spite_of_a_limit(story, attacker, server.address());
        let blocked = wait_step(&agent, attacker, "block", false)?;
        ensure!(blocked["guard"]["failure"].is_null(), "{blocked}");
        Ok(())
    })
}

fn where_sockets_cannot_be_closed_the_rest_goes_on(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-no-destroy-{}", family.name()),
        family,
        |story| {
            let agent = start_without(story, "enforce", &["socket-destroy"])?;
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let attacker = attacker(story, family)?;
            let held = hoard(story, attacker, server.address(), CLIENTS)?;
            let reset = wait_step(&agent, attacker, "reset", false)?;
            ensure!(
                failure(&reset)?.contains("built without CONFIG_INET_DIAG_DESTROY"),
                "{reset}"
            );
            ensure!(reset["guard"]["reset"] == 0, "{reset}");
            ensure!(connections(story, attacker)? == CLIENTS, "some were closed");
            let asked = agent.post("/v1/reset", &json!({"peer": attacker.to_string()}))?;
            ensure!(
                asked.status == 501 && asked.body.contains("CONFIG_INET_DIAG_DESTROY"),
                "{asked:?}"
            );
            // It is tried again in a minute, not each second.
            ensure!(steps(&agent, attacker)?.len() == 1);
            let more = hoard(story, attacker, server.address(), CLIENTS)?;
            let limited = wait_step(&agent, attacker, "limit", false)?;
            ensure!(limited["guard"]["failure"].is_null(), "{limited}");
            drop((held, more));
            Ok(())
        },
    )
}

fn where_no_table_goes_with_its_owner_nothing_is_blocked(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-no-owner-{}", family.name()),
        family,
        |story| {
            let agent = start_without(story, "enforce", &["owned-tables"])?;
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let attacker = attacker(story, family)?;
            let (limited, held) =
                come_back_until(story, &agent, (attacker, server.address()), "limit", false)?;
            ensure!(
                failure(&limited)?.contains("no tables of nftables that go with their owner"),
                "{limited}"
            );
            ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
            // What it can do it goes on doing.
            expect::until("what came back is reset", JUDGED, || {
                let left = connections(story, attacker)?;
                Ok((left < CLIENTS / 2).then_some(()))
            })?;
            drop(held);
            Ok(())
        },
    )
}

fn where_nobody_can_be_asked_whom_to_spare_it_does_nothing(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-no-netlink-{}", family.name()),
        family,
        |story| {
            let agent = start_without(story, "enforce", &["netlink"])?;
            agent.wait_log("cannot ask for the addresses of this host")?;
            agent.wait_log("and the guard does nothing")?;
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let attacker = attacker(story, family)?;
            let held = hoard(story, attacker, server.address(), CLIENTS)?;
            expect::until("there is pressure", JUDGED, || {
                let pressure = &agent.status()?["guard"]["pressure"];
                Ok((!pressure.is_null()).then_some(()))
            })?;
            // Longer than those are left to whom something is done.
            let is_old = |peer: &PeerView| {
                peer.stalled_connections == CLIENTS as u64 && peer.longest_stall_seconds > 15.0
            };
            agent.wait_peer(attacker, "stalled for long", JUDGED, is_old)?;
            let left = connections(story, attacker)?;
            ensure!(left == CLIENTS, "{left} left");
            ensure!(steps(&agent, attacker)?.is_empty());
            ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
            drop(held);
            Ok(())
        },
    )
}

/// Seconds until a time as the agent writes it; less than none if it has passed.
fn seconds_until(time: &str) -> Result<i64> {
    let time: i64 = stdout_of(&format!("date --date={time} +%s"))?
        .trim()
        .parse()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(time - i64::try_from(now)?)
}

fn connects(story: &Story, from: IpAddr, server: SocketAddr) -> Result<bool> {
    let source = Some(SocketAddr::new(from, 0));
    story.lab.client.enter(|| {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(server),
            socket2::Type::STREAM,
            None,
        )?;
        if let Some(source) = source {
            socket.bind(&source.into())?;
        }
        Ok(socket.connect_timeout(&server.into(), DROPPED).is_ok())
    })
}

fn what_it_made_ends_with_the_agent_or_on_time(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-killed-{}", family.name()),
        family,
        |story| {
            let agent = start(story, "off")?;
            let text = configuration(story, "enforce") + "block_for = \"20s\"\n";
            agent.reload(&text)?;
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let attacker = attacker(story, family)?;
            let both = (attacker, server.address());
            let (_, held) = come_back_until(story, &agent, both, "limit", false)?;
            drop(held);
            let held = hoard_in_spite_of_a_limit(story, attacker, server.address());
            let blocked = wait_step(&agent, attacker, "block", false)?;
            let until = blocked["guard"]["until"].as_str().context("until when")?;
            drop(held);

            // The kernel keeps the time, whatever the agent does.
            agent.signal(Signal::SIGSTOP)?;
            ensure!(!connects(story, attacker, server.address())?, "not blocked");
            expect::until("the block ends by itself", PATIENCE, || {
                Ok(connects(story, attacker, server.address())?.then_some(()))
            })?;
            let early = seconds_until(until)?;
            ensure!(early <= 2, "{early} s too early: {blocked}");
            agent.signal(Signal::SIGCONT)?;

            // Killed while it blocks: the kernel removes the table.
            let _blocked_again = come_back_until(story, &agent, both, "block", false)?;
            agent.kill()?;
            ensure!(
                connects(story, attacker, server.address())?,
                "still blocked"
            );
            ensure!(tables(story)?.is_empty(), "{}", tables(story)?);

            // The next one begins anew, and the recorder remembers.
            let agent = start(story, "enforce")?;
            let blocked = agent.get("/v1/blocked")?.body;
            ensure!(blocked.trim() == "[]", "{blocked}");
            let mut report = command(&["report", "--state-dir"])?;
            let report = report.arg(story.folder().join("agent/state")).output()?;
            let report = String::from_utf8(report.stdout)?;
            ensure!(
                report.contains("the guard has blocked it until"),
                "{report}"
            );
            wait_step(&agent, attacker, "reset", false)?;

            // One that is stopped lifts what it made, and says so.
            let (_, held) = come_back_until(story, &agent, both, "limit", false)?;
            ensure!(!tables(story)?.is_empty(), "nothing is limited");
            agent.stop(Signal::SIGTERM)?;
            ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
            wait_note(story, "through again")?;
            drop(held);
            Ok(())
        },
    )
}
