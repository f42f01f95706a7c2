//! Peers that hold much without reading make an incident: it says who held what, whose connections
//! they were and what ended it, and is over a minute later. Its quiet twin: as many clients that
//! read slowly make none. Over IPv4 and IPv6 at once, for an incident is one of the whole host.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::expect;
use detector_tests::lab::{Family, peer_key};
use detector_tests::peers::KernelPeer;
use detector_tests::schema::Schema;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use serde_json::Value;
use std::time::Duration;

/// Enough of them to be a warning: more than the six connections of one browser.
const CLIENTS: usize = 7;
/// What drains nothing is called so after three seconds.
const CONFIGURATION: &str = "[detect]\nstall_after = \"1s\"\ndribble_over = \"3s\"\n";
/// Nothing may stand for a minute before it is over.
const IS_OVER: Duration = Duration::from_secs(180);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

fn start(story: &Story) -> Result<Agent> {
    Agent::start_with(story.folder(), &AgentOptions::with(CONFIGURATION))
}

/// Clients that have asked for much and read nothing so far.
fn clients(story: &Story) -> Result<(Vec<TinyServer>, Vec<KernelPeer>)> {
    let (mut servers, mut clients) = (Vec::new(), Vec::new());
    for family in FAMILIES {
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        for _ in 0..CLIENTS {
            let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
            client.request("/bytes/20000000")?;
            clients.push(client);
        }
        servers.push(server);
    }
    Ok((servers, clients))
}

/// Those that are about peers: a kill for want of memory elsewhere on this host makes one, too.
fn incidents(agent: &Agent) -> Result<Vec<Value>> {
    of_peers(&agent.get("/v1/incidents")?.body)
}

fn of_peers(json: &str) -> Result<Vec<Value>> {
    let mut incidents: Vec<Value> = serde_json::from_str(json)?;
    incidents.retain(|incident| incident["kinds"] != serde_json::json!(["oom-kill"]));
    Ok(incidents)
}

/// The only incident, once it is so.
fn wait(agent: &Agent, what: &str, patience: Duration, is_so: fn(&Value) -> bool) -> Result<Value> {
    expect::until(what, patience, || {
        let incidents = incidents(agent)?;
        ensure!(incidents.len() < 2, "{incidents:#?}");
        Ok(incidents.into_iter().find(is_so))
    })
    .with_context(|| format!("{:#?}", incidents(agent)))
}

/// What `detector incidents` prints.
fn told(agent: &Agent, arguments: &[&str]) -> Result<String> {
    let mut command = command(&["incidents"])?;
    command.args(arguments).arg("--control-socket");
    let output = command.arg(agent.control_socket()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

fn open_of(agent: &Agent, kind: &str) -> Result<f64> {
    agent
        .metrics()?
        .value("detector_incidents_open", &[("kind", kind)])
}

#[test]
fn many_that_do_not_read_make_one_incident_that_ends() -> Result<()> {
    let _machine = crate::machine();
    Story::play("incident", Family::V4, |story| {
        let agent = start(story)?;
        let (servers, clients) = clients(story)?;
        let incident = wait(&agent, "both peers take part", PATIENCE, |incident| {
            let mut peers = incident["peers"].as_array().into_iter().flatten();
            incident["peers_total"] == 2
                && incident["owners"] != serde_json::json!([])
                && peers.all(|peer| peer["peak_stalled_connections"] == CLIENTS)
        })?;
        Schema::read("incident")?.check(&incident)?;
        ensure!(
            incident["open"] == true && incident["ended"].is_null(),
            "{incident}"
        );
        let kinds = incident["kinds"].as_array().context("kinds")?;
        ensure!(kinds.contains(&"stalled-peers".into()), "{incident}");
        ensure!(!incident["host"].is_null(), "{incident}");
        for family in FAMILIES {
            let peer = peer_key(story.lab.addresses.client(family));
            let peers = incident["peers"].as_array().context("peers")?;
            let ours = peers.iter().find(|each| each["peer"] == peer.as_str());
            let ours = ours.with_context(|| format!("{peer} is missing: {incident}"))?;
            ensure!(ours["peak_stalled_connections"] == CLIENTS, "{ours}");
        }
        ensure!((open_of(&agent, "stalled-peers")? - 1.0).abs() < 0.1);

        let id = incident["id"].as_str().context("id")?;
        ensure!(told(&agent, &[])?.contains(id));
        let chosen = told(
            &agent,
            &["--json", "--filter", "kinds=stalled-peers peers>1 open=yes"],
        )?;
        let chosen: Vec<Value> = serde_json::from_str(&chosen)?;
        ensure!(chosen.len() == 1 && chosen[0]["id"] == id, "{chosen:?}");
        let none = told(&agent, &["--json", "--filter", "pinned>1T"])?;
        ensure!(serde_json::from_str::<Vec<Value>>(&none)?.is_empty());
        ensure!(told(&agent, &["show", "last"])?.contains("goes on"));

        drop(clients);
        drop(servers);
        let ended = wait(&agent, "nothing stands", PATIENCE, |incident| {
            !incident["ended"].is_null()
        })?;
        ensure!(ended["end"] == "closed", "{ended}");
        let over = wait(&agent, "it is over", IS_OVER, |incident| {
            incident["open"] == false
        })?;
        ensure!(
            over["id"] == id && over["ended"] == ended["ended"],
            "{over}"
        );
        ensure!(open_of(&agent, "stalled-peers")? < 0.1);
        let card = told(&agent, &["show", id])?;
        ensure!(
            card.contains("is over") && card.contains("the connections are gone"),
            "{card}"
        );
        agent.wait_log(&format!("incident {id} began"))?;
        agent.wait_log("is over")
    })
}

#[test]
fn as_many_slow_readers_make_no_incident() -> Result<()> {
    let _machine = crate::machine();
    Story::play("no-incident", Family::V4, |story| {
        let agent = start(story)?;
        let (_servers, clients) = clients(story)?;
        let _readers: Vec<_> = clients
            .into_iter()
            .map(|client| client.read_slowly(4_096, Duration::from_millis(20)))
            .collect();
        // Longer than it takes the others to be called what they are. What was is kept.
        agent.wait_sweeps(10)?;
        let incidents = incidents(&agent)?;
        ensure!(incidents.is_empty(), "{incidents:#?}");
        let listed = of_peers(&told(&agent, &["--json"])?)?;
        ensure!(listed.is_empty(), "{listed:?}");
        Ok(())
    })
}
