//! The agent as a user of its own, with `CAP_BPF` and `CAP_PERFMON` and nothing else, on a host that hides
//! processes from their neighbours: it is ready, flags an attack, keeps what it needs alone, and says
//! what it cannot: name processes of others, look into other network namespaces, act.

use crate::stage::{both_families, suffix};
use crate::surroundings::check_under;
use crate::unprivileged::program_for_all;
use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, with_mounts};
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use serde_json::json;
use std::fs;
use std::os::unix::fs::chown;

const NOBODY: u32 = 65_534;

both_families!(two_capabilities_suffice_to_watch);

fn two_capabilities_suffice_to_watch(family: Family) -> Result<()> {
    Story::play(&suffix("own-user", family), family, |story| {
        let program = program_for_all(story.folder())?;
        let own = story.folder().join("agent");
        fs::create_dir(&own)?;
        chown(&own, Some(NOBODY), Some(NOBODY))?;
        let mut under = with_mounts("mount -t proc -o hidepid=2 proc /proc");
        let user = NOBODY.to_string();
        let two = "-all,+bpf,+perfmon";
        under.extend(["setpriv", "--reuid", &user, "--regid", &user].map(str::to_owned));
        under.extend(["--clear-groups", "--inh-caps", two].map(str::to_owned));
        under.extend(["--ambient-caps", two, "--bounding-set", two, "--"].map(str::to_owned));
        let said = check_under(&under, &program)?;
        for words in [
            "CAP_SYS_ADMIN",
            "absent: only the agent's own network namespace is swept",
            "absent: peers can be neither blocked nor reset",
            "hidden: owners of connections may not be named",
        ] {
            ensure!(said.contains(words), "no {words} in {said}");
        }
        let options = AgentOptions {
            under: under.clone(),
            program: Some(program.clone()),
            ..AgentOptions::default()
        };
        let agent = Agent::start_in_with(story.server(), story.folder(), &options)?;
        let status = agent.status()?;
        ensure!(
            status["privilege"]["capabilities"] == json!(["CAP_BPF"]),
            "{status}"
        );
        ensure!(status["privilege"]["seccomp"] == true, "{status}");
        let pid = status["pid"].to_string();
        let user = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let expected = format!("Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n");
        ensure!(user.contains(&expected), "{user}");

        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        let peer = client.address()?.ip();
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        // Seen by the sweep of its own namespace, too; the server is root's.
        agent.wait_sweeps(2)?;
        let stalled = agent.connections(peer)?;
        ensure!(
            stalled.iter().all(|each| each.processes.is_empty()),
            "{stalled:?}"
        );
        let asked = json!({"peer": peer.to_string(), "stalled_for_seconds": 0, "dry_run": true});
        let refused = agent.post("/v1/reset", &asked)?;
        ensure!(
            refused.status == 403 && refused.body.contains("it lacks CAP_NET_ADMIN"),
            "{refused:?}"
        );
        Ok(())
    })
}
