//! What outlives the agent: events, incidents, explanations and peers are read from a recorder where
//! no agent runs, by whoever may read the file, as with an agent; a file that cannot be read is told
//! in one line with its hint and the exit code of the contract; `top` goes through it by keys.

use crate::unprivileged::{nobody, program_for_all};
use anyhow::{Context, Result, ensure};
use detector_recorder::fixtures::{OTHERS, WORST, night};
use detector_tests::agent::{Agent, binary, command};
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::schema::Schema;
use detector_tests::screen::Screen;
use detector_tests::servers::TinyServer;
use detector_tests::story::{Story, in_folder};
use detector_tests::{PATIENCE, expect};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};

/// Commands that read the past.
const COMMANDS: [&[&str]; 6] = [
    &["events"],
    &["incidents"],
    &["incidents", "show", "last"],
    &["explain", WORST],
    &["peers", "--since", "2026-12-29T00:00:00Z"],
    &["connections"],
];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command says of the recorder at `path`, which must go well.
fn read(path: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = command(arguments)?;
    let output = command.arg("--state-dir").arg(path).output()?;
    let note = said(&output);
    ensure!(output.status.success(), "{arguments:?}: {note}");
    let told = format!("note: read from {}", path.display());
    ensure!(note.starts_with(&told), "{arguments:?}: {note}");
    ensure!(
        note.contains(" of web1, written until 2026-12-29 21:10:30 UTC"),
        "{note}"
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn filters_times_and_json_are_as_with_an_agent() -> Result<()> {
    in_folder("past", |folder| {
        night(folder)?;
        for (arguments, expected) in [
            (&[][..], 9),
            (&["--since", "2026-12-29T21:01:00Z"], 7),
            (&["--until", "2026-12-29T22:01:00+01:00"], 3),
            (&["--peer", WORST], 6),
            (&["--peer", "2001:db8:1:2::99"], 3),
            (&["--peer", "198.51.0.0/16"], 6),
            (&["--kind", "dribble"], 0),
            (&["--filter", "net=2001:db8::/32 severity>info"], 3),
        ] {
            let text = read(folder, &[&["events"], arguments].concat())?;
            ensure!(text.lines().count() == expected, "{arguments:?}: {text}");
        }
        let schema = Schema::read("event")?;
        for line in read(folder, &["events", "--json"])?.lines() {
            schema.check(&serde_json::from_str(line)?)?;
        }
        for (schema, arguments) in [
            ("incidents", &["incidents", "--json"][..]),
            ("incident", &["incidents", "show", "last", "--json"]),
            ("peer", &["explain", WORST, "--json"]),
            ("peers", &["peers", "--json"]),
            ("connections", &["connections", "--json"]),
            ("peer-groups", &["peers", "--json", "--group", "net"]),
        ] {
            let value: Value = serde_json::from_str(&read(folder, arguments)?)?;
            Schema::read(schema)?
                .check(&value)
                .with_context(|| format!("{arguments:?}"))?;
        }
        let peers: Vec<Value> = serde_json::from_str(&read(
            folder,
            &["peers", "--json", "--filter", &format!("net={}", OTHERS[1])],
        )?)?;
        ensure!(
            peers.len() == 1 && peers[0]["peer"] == OTHERS[1],
            "{peers:?}"
        );
        ensure!(read(folder, &["peers", "--since=2100-01-01T00:00:00Z", "--json"])? == "[\n]\n");

        let card = read(folder, &["explain", "2001:db8:1:2::7"])?;
        ensure!(
            card.starts_with("All this is as it was recorded 2026-12-29 21:02:00 UTC")
                && card.contains("nothing of it")
                && card.contains("HELD THEN")
                && card.contains(OTHERS[1]),
            "{card}"
        );
        let incident = read(folder, &["incidents", "show", "20261229T210100.000Z"])?;
        // However its lines are broken.
        let incident = Vec::from_iter(incident.split_whitespace()).join(" ");
        ensure!(
            incident.contains("Nobody saw it end")
                && incident.contains("was last seen at 2026-12-29 21:02:00 UTC")
                && !incident.contains("is over")
                && !incident.contains("Nothing has stood since"),
            "{incident}"
        );
        for (arguments, hint) in [
            (
                &["explain", "198.51.100.99"][..],
                "the nearest that it knows is 198.51.100.",
            ),
            (
                &["incidents", "show", "nonsense"],
                "`detector incidents --state-dir ",
            ),
        ] {
            let output = command(arguments)?
                .arg("--state-dir")
                .arg(folder)
                .output()?;
            ensure!(output.status.code() == Some(1), "{output:?}");
            ensure!(
                said(&output).contains(&format!("hint: {hint}")),
                "{output:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn whoever_may_read_the_files_reads_them_and_leaves_them_as_they_are() -> Result<()> {
    in_folder("past-nobody", |folder| {
        let program = program_for_all(folder)?;
        let state = folder.join("state");
        fs::create_dir(&state)?;
        night(&state)?;
        for (name, mode) in [("recorder.db", 0o444), ("recorder.lock", 0o400)] {
            fs::set_permissions(state.join(name), Permissions::from_mode(mode))?;
        }
        fs::set_permissions(&state, Permissions::from_mode(0o555))?;
        let before = fs::read(state.join("recorder.db"))?;
        for arguments in COMMANDS {
            let output = nobody(&program)
                .args(arguments)
                .arg("--state-dir")
                .arg(&state)
                .output()?;
            ensure!(output.status.success(), "{arguments:?}: {}", said(&output));
            ensure!(!output.stdout.is_empty(), "{arguments:?}");
        }
        ensure!(
            fs::read_dir(&state)?.count() == 2 && fs::read(state.join("recorder.db"))? == before
        );
        Ok(())
    })
}

#[test]
fn what_cannot_be_read_is_told_in_one_line_with_its_hint() -> Result<()> {
    in_folder("past-refused", |folder| {
        let program = program_for_all(folder)?;
        let place = |name: &str| -> Result<std::path::PathBuf> {
            let place = folder.join(name);
            fs::create_dir(&place)?;
            fs::set_permissions(&place, Permissions::from_mode(0o755))?;
            Ok(place)
        };
        let missing = place("missing")?;
        let foreign = place("foreign")?;
        fs::write(foreign.join("recorder.db"), "no database ".repeat(999))?;
        fs::set_permissions(foreign.join("recorder.db"), Permissions::from_mode(0o644))?;
        let [newer, damaged, secret] = ["newer", "damaged", "secret"].map(place);
        let (newer, damaged, secret) = (newer?, damaged?, secret?);
        for each in [&newer, &damaged, &secret] {
            night(each)?;
            fs::set_permissions(each.join("recorder.db"), Permissions::from_mode(0o644))?;
        }
        let file = |place: &Path| {
            fs::File::options()
                .write(true)
                .open(place.join("recorder.db"))
        };
        // `PRAGMA user_version` in the header of the file, and all that follows its first page.
        file(&newer)?.write_all_at(&99_u32.to_be_bytes(), 60)?;
        let length = fs::metadata(damaged.join("recorder.db"))?.len();
        let garbage = vec![0xa5; usize::try_from(length)? - 4_096];
        file(&damaged)?.write_all_at(&garbage, 4_096)?;
        fs::set_permissions(secret.join("recorder.db"), Permissions::from_mode(0o600))?;
        for (place, code, error, hint) in [
            (
                &missing,
                1,
                "there is no recorder at ",
                "give the folder with --state-dir",
            ),
            (
                &foreign,
                1,
                " is not a recorder of detector",
                "name a file recorder.db",
            ),
            (&newer, 1, " was written by a newer detector", "a later one"),
            (&damaged, 1, " is damaged: ", ".recover"),
            (&secret, 4, "Permission denied", "run it as root"),
        ] {
            for arguments in COMMANDS {
                let output = nobody(&program)
                    .args(arguments)
                    .arg("--state-dir")
                    .arg(place)
                    .output()?;
                let said = said(&output);
                ensure!(
                    output.status.code() == Some(code),
                    "{arguments:?}: {output:?}"
                );
                ensure!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
                let lines: Vec<&str> = said.lines().collect();
                ensure!(lines.len() == 2, "{arguments:?}: {said}");
                ensure!(
                    lines[0].starts_with("error: ") && lines[0].contains(error),
                    "{arguments:?}: {said}"
                );
                ensure!(
                    lines[1].starts_with("hint: ") && lines[1].contains(hint),
                    "{arguments:?}: {said}"
                );
            }
        }
        Ok(())
    })
}

/// A command on a host of its own as far as `/run` and `/var/lib` go, on which this recorder was left
/// if one is given.
fn on_a_host_with(recorder: Option<&Path>, arguments: &[&str]) -> Result<Output> {
    let script = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && \
                  mkdir /var/lib/detector && shift 2 && \
                  { [ -z \"$RECORDER\" ] || cp \"$RECORDER\" /var/lib/detector/; } && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh", "host", "of"]);
    command.arg(binary()?).args(arguments);
    let recorder = recorder.map(|folder| folder.join("recorder.db"));
    command.env("RECORDER", recorder.unwrap_or_default());
    command.output().context("start unshare (util-linux)")
}

#[test]
fn a_host_without_an_agent_tells_what_its_recorder_has() -> Result<()> {
    in_folder("past-host", |folder| {
        night(folder)?;
        for arguments in COMMANDS {
            let output = on_a_host_with(Some(folder), arguments)?;
            let note = said(&output);
            if arguments[0] == "connections" {
                // They are of the present, and without a time so is the question.
                ensure!(output.status.code() == Some(1), "{output:?}");
                continue;
            }
            ensure!(output.status.success(), "{arguments:?}: {note}");
            let told = "note: no agent runs here; read from /var/lib/detector/recorder.db of web1";
            ensure!(note.starts_with(told), "{arguments:?}: {note}");
            let output = on_a_host_with(None, arguments)?;
            let told = "error: no agent runs here, and there is no recorder at ";
            ensure!(output.status.code() == Some(1), "{output:?}");
            ensure!(said(&output).starts_with(told), "{arguments:?}: {output:?}");
            ensure!(
                said(&output).contains("hint: start the agent"),
                "{output:?}"
            );
        }
        for arguments in [&["peers"][..], &["events", "--follow"]] {
            let output = on_a_host_with(Some(folder), arguments)?;
            let told = "error: cannot reach the agent on /run/detector/control.sock";
            ensure!(output.status.code() == Some(1), "{output:?}");
            ensure!(said(&output).starts_with(told), "{arguments:?}: {output:?}");
        }
        Ok(())
    })
}

#[test]
fn what_an_agent_said_is_read_after_it_was_killed() -> Result<()> {
    Story::play("past-killed", Family::V4, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(Family::V4))?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        let peer = client.address()?.ip();
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        let state = story.folder().join("agent/state");
        let recorded = |arguments: &[&str]| -> Result<Output> {
            let mut command = command(arguments)?;
            Ok(command.arg("--state-dir").arg(&state).output()?)
        };
        // Its card is written within seconds, while the agent runs.
        let name = peer.to_string();
        let card = expect::until("the card is recorded", PATIENCE, || {
            let output = recorded(&["explain", &name])?;
            Ok(output.status.success().then_some(output))
        })?;
        ensure!(
            said(&card).contains(", which a running agent is still writing"),
            "{}",
            said(&card)
        );
        let events = agent.get("/v1/events")?.body;
        let of_peer = |text: &str| -> Vec<Value> {
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines
                .filter(|event: &Value| event["peer"] == name)
                .collect()
        };
        let events = of_peer(&events);
        ensure!(!events.is_empty());
        expect::until("they are recorded", PATIENCE, || {
            let output = recorded(&["events", "--json", "--peer", &name])?;
            let found = of_peer(&String::from_utf8_lossy(&output.stdout));
            Ok(found.starts_with(&events).then_some(()))
        })?;
        agent.kill()?;
        let output = recorded(&["events", "--json", "--peer", &name])?;
        ensure!(
            said(&output).contains(", written until "),
            "{}",
            said(&output)
        );
        ensure!(of_peer(&String::from_utf8_lossy(&output.stdout)).starts_with(&events));
        let output = recorded(&["explain", &format!("{peer}:80")])?;
        let card = String::from_utf8_lossy(&output.stdout);
        ensure!(card.contains("HELD THEN") && card.contains(&name), "{card}");
        let words: Vec<&str> = card.split_whitespace().collect();
        ensure!(words.join(" ").contains(">= `stall_after` = "), "{card}");
        // Nobody but whoever may write the folder is needed for its log.
        ensure!(state.join("recorder.db-wal").exists());
        Ok(())
    })
}

#[test]
fn top_goes_through_the_past_by_keys() -> Result<()> {
    in_folder("past-top", |folder| {
        night(folder)?;
        let mut top = command(&["top", "--state-dir"])?;
        top.arg(folder).env("XDG_STATE_HOME", folder.join("xdg"));
        top.env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
        let mut screen = Screen::start(top, 80, 24)?;
        screen.wait("the newest second", PATIENCE, |text| {
            text.contains("PAST 2026-12-29 21:10:30 UTC") && text.contains("p live")
        })?;
        screen.press("MTTTTT")?;
        // A frame comes in pieces.
        screen.wait("a minute and five seconds before", PATIENCE, |text| {
            let parts = ["PAST 2026-12-29 21:01:55 UTC", WORST, "340 MB"];
            parts.iter().all(|part| text.contains(part))
        })?;
        screen.press("[")?;
        screen.wait("the begin of the incident", PATIENCE, |text| {
            text.contains("PAST 2026-12-29 21:01:00 UTC")
        })?;
        screen.press("\r")?;
        screen.wait("the card of the worst peer", PATIENCE, |text| {
            text.contains("the peer's last card, of 2026-12-29 21:02:00 UTC")
                && text.contains("queued █")
        })?;
        screen.press("\u{1b}")?;
        screen.wait("the table", PATIENCE, |text| text.contains("EPISODES"))?;
        screen.press("x")?;
        screen.wait("nothing can be done", PATIENCE, |text| {
            text.contains("actions are off")
        })?;
        screen.press("q")?;
        ensure!(screen.wait_end(PATIENCE)?.success());
        screen.expect_given_back()?;

        let mut top = command(&["top", "--state-dir", "/nonexistent"])?;
        top.env("XDG_STATE_HOME", folder.join("xdg"));
        let mut screen = Screen::start(top, 80, 24)?;
        ensure!(screen.wait_end(PATIENCE)?.code() == Some(1));
        ensure!(
            screen.text().contains("there is no recorder at"),
            "{}",
            screen.text()
        );
        Ok(())
    })
}
