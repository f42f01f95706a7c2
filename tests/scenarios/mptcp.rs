//! The subflows of an MPTCP connection share one window, so the right edge of an honest one moves
//! left (RFC 8684 section 3.3.4): no shrink. What stalls is a stall as ever, and a plain peer that
//! shrinks beside it is found.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, ConnectionView};
use detector_tests::expect;
use detector_tests::lab::{Family, Lab};
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::Profile;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

both_families!(edges_of_subflows_are_no_shrinks, stalled_subflow_is_a_stall);

fn edges_of_subflows_are_no_shrinks(family: Family) -> Result<()> {
    Story::play(&suffix("mptcp", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let addresses = [story.lab.addresses.client(family), second_address(story)];
        add_path(story, addresses[1])?;
        let (_server, mut client) = connect(story)?;
        client.request("/bytes/2000000000")?;
        let _reader = client.read_slowly(20_000, Duration::from_millis(4));
        let subflows = || -> Result<Vec<ConnectionView>> {
            let mut seen = Vec::new();
            for address in addresses {
                let is_its = |seen: &ConnectionView| {
                    let remote: Option<SocketAddr> = seen.remote.parse().ok();
                    seen.is_subflow && remote.is_some_and(|remote| remote.ip() == address)
                };
                seen.extend(agent.connections(address)?.into_iter().find(is_its));
            }
            Ok(seen)
        };
        expect::until("both subflows are seen", PATIENCE, || {
            Ok((subflows()?.len() == 2).then_some(()))
        })?;
        expect::until("edges move left", PATIENCE, || {
            let moved = agent
                .metrics()?
                .value("detector_subflow_retreats_total", &[])?;
            Ok((moved >= 10.0).then_some(()))
        })?;
        let stage = CraftedStage::set(story)?;
        let shrinker = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&shrinker)?;
        agent.wait_flag(stage.peer_ip(), "window-shrink", PATIENCE)?;
        for seen in subflows()? {
            ensure!(seen.window_shrinks.total() == 0, "{seen:?}");
        }
        for address in addresses {
            let flags = agent.flags(address)?;
            let shrinks = flags.iter().filter(|flag| flag.kind == "window-shrink");
            ensure!(shrinks.count() == 0, "{flags:?}");
        }
        Ok(())
    })
}

fn stalled_subflow_is_a_stall(family: Family) -> Result<()> {
    Story::play(&suffix("mptcp-stall", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let (_server, mut client) = connect(story)?;
        client.request(acts::ENDLESS_ANSWER)?;
        client.read(1_000_000)?;
        let peer = client.address()?.ip();
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        let held_up = |seen: &ConnectionView| seen.is_subflow && seen.stall.is_some();
        agent.wait_connection(peer, "the subflow", PATIENCE, held_up)?;
        Ok(())
    })
}

fn connect(story: &Story) -> Result<(TinyServer, KernelPeer)> {
    let addresses = story.lab.addresses;
    let at = |ip: IpAddr| SocketAddr::new(ip, 0);
    let server = TinyServer::start_mptcp(story.server(), at(addresses.server(story.family)))?;
    let source = at(addresses.client(story.family));
    let client = KernelPeer::connect_mptcp(&story.lab.client, source, server.address())?;
    Ok((server, client))
}

/// The one behind that of the client.
fn second_address(story: &Story) -> IpAddr {
    match story.lab.addresses.client(story.family) {
        IpAddr::V4(v4) => IpAddr::from((u32::from(v4) + 1).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) + 1).to_be_bytes()),
    }
}

fn add_path(story: &Story, address: IpAddr) -> Result<()> {
    let (server, client, link) = (story.server(), &story.lab.client, Lab::LINK);
    for namespace in [server, client] {
        namespace.ip("mptcp limits set subflow 1 add_addr_accepted 0")?;
    }
    let prefix = match story.family {
        Family::V4 => "25",
        Family::V6 => "64 nodad",
    };
    client.ip(&format!("address add {address}/{prefix} dev {link}"))?;
    client.ip(&format!("mptcp endpoint add {address} dev {link} subflow"))
}
