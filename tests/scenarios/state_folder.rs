//! What is wrong with the state folder never keeps the agent from watching: full, read-only, removed,
//! of a newer version, damaged, of another machine. Each is told in a line that says what to do, is
//! counted, and passes when its cause does.

use anyhow::{Context, Result, ensure};
use detector_recorder::fixtures::night;
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::lab::{Family, require};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::{PATIENCE, expect};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own at the agent's state folder; gone with its guard.
struct StateMount(PathBuf);

impl StateMount {
    fn make(story: &Story, options: &str) -> Result<Self> {
        require(&[("mount", "mount")])?;
        let folder = state_of(story);
        fs::create_dir_all(&folder)?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("mode=750,{options}"))
            .arg("detector-story")
            .arg(&folder))?;
        Ok(Self(folder))
    }

    fn remount(&self, options: &str) -> Result<()> {
        run(Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0))
    }

    /// Writes so many bytes into it, or as many as go.
    fn fill(&self, bytes: usize) -> Result<()> {
        const BLOCK: usize = 64 << 10;
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.0.join("filler"))?;
        for _ in 0..bytes / BLOCK {
            match file.write_all(&[0; BLOCK]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                written => written?,
            }
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.0.join("filler"))?)
    }
}

impl Drop for StateMount {
    fn drop(&mut self) {
        // The folder of the story could not be removed otherwise.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

fn state_of(story: &Story) -> PathBuf {
    story.folder().join("agent/state")
}

/// An agent that crowds of other tests on this host do not keep from remembering the peers of a story.
fn start(story: &Story) -> Result<Agent> {
    let ignore = "[peers]\nignore = [\"10.0.0.0/8\", \"127.0.0.0/8\", \"::1/128\"]\n";
    let mut options = AgentOptions::default();
    options.configuration = options.configuration.map(|text| text + ignore);
    Agent::start_with(story.folder(), &options)
}

/// A server, and readers of it that stall.
struct Readers<'s> {
    story: &'s Story,
    server: TinyServer,
    stalled: Vec<KernelPeer>,
}

impl<'s> Readers<'s> {
    fn of(story: &'s Story) -> Result<Self> {
        let address = story.lab.addresses.server(Family::V4);
        Ok(Self {
            story,
            server: TinyServer::start(story.server(), address)?,
            stalled: Vec::new(),
        })
    }

    /// One more stalls, and is flagged; its address with the port.
    fn stall(&mut self, agent: &Agent) -> Result<String> {
        let mut client = KernelPeer::connect(&self.story.lab.client, self.server.address())?;
        client.request("/bytes/20000000")?;
        let local = client.address()?;
        self.stalled.push(client);
        let remote = local.to_string();
        expect::until("it is flagged", PATIENCE, || {
            let mut flags = agent.flags(local.ip())?.into_iter();
            let is_there = flags.any(|flag| flag.remote.as_ref() == Some(&remote));
            Ok(is_there.then_some(()))
        })?;
        Ok(remote)
    }
}

/// Waits until an event of this connection is in the file.
fn wait_recorded(state: &Path, remote: &str) -> Result<()> {
    expect::until("it is recorded", PATIENCE, || {
        let output = command(&["events", "--json", "--state-dir"])?
            .arg(state)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut events = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(events
            .any(|line: Value| line["remote"] == *remote)
            .then_some(()))
    })
}

/// Why nothing was recorded, by what a report says of it.
fn gaps(state: &Path) -> Result<Vec<String>> {
    let mut report = command(&["report", "--json", "--state-dir"])?;
    let output = report.arg(state).output()?;
    ensure!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let gaps = report["hosts"][0]["gaps"].as_array().context("gaps")?;
    let reasons = gaps.iter().filter_map(|gap| gap["reason"].as_str());
    Ok(reasons.map(str::to_owned).collect())
}

#[test]
fn a_full_disk_stops_samples_before_findings_and_detection_never() -> Result<()> {
    Story::play("state-full", Family::V4, |story| {
        let mount = StateMount::make(story, "size=48m")?;
        let agent = start(story)?;
        let mut readers = Readers::of(story)?;
        let lost = |kind: &str| {
            let name = "detector_recorder_rows_lost_total";
            agent.metrics()?.value(name, &[("kind", kind)])
        };
        wait_recorded(&mount.0, &readers.stall(&agent)?)?;
        ensure!(lost("sample")? == 0.0);

        mount.fill(24 << 20)?;
        agent.wait_log("little room is left for ")?;
        ensure!(agent.log()?.contains("make room on its file system"));
        wait_recorded(&mount.0, &readers.stall(&agent)?)?;
        expect::until("samples are counted", PATIENCE, || {
            Ok((lost("sample")? > 0.0).then_some(()))
        })?;
        let failures = "detector_recorder_write_failures_total";
        ensure!(agent.metrics()?.sum(failures)? == 0.0);

        mount.fill(64 << 20)?;
        // Room within the file and its log is used up first.
        let full = expect::until("no room is left", PATIENCE * 4, || {
            let event = readers.stall(&agent)?;
            mount.fill(64 << 20)?;
            Ok((agent.metrics()?.sum(failures)? > 0.0).then_some(event))
        })?;
        agent.wait_log("what is found meanwhile waits in memory")?;
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 0.0);
        let after = readers.stall(&agent)?;

        mount.make_room()?;
        agent.wait_log("all is recorded again")?;
        wait_recorded(&mount.0, &full)?;
        wait_recorded(&mount.0, &after)?;
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 1.0);
        ensure!(lost("event")? == 0.0);
        // Seconds that were left out, and then a time in which nothing could be written.
        let gaps = gaps(&mount.0)?;
        let are_of_room = gaps.iter().all(|reason| reason == "disk-full");
        ensure!(gaps.len() >= 2 && are_of_room, "{gaps:?}");
        Ok(())
    })
}

#[test]
fn a_disk_full_at_the_start_is_written_as_soon_as_there_is_room() -> Result<()> {
    Story::play("state-full-start", Family::V4, |story| {
        let mount = StateMount::make(story, "size=2m")?;
        mount.fill(4 << 20)?;
        let agent = start(story)?;
        let said = agent.log()?;
        for words in [
            "the agent runs without a recorder",
            "it tries again every 5 s",
            "make room on that file system",
        ] {
            ensure!(said.contains(words), "no `{words}` in {said}");
        }
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 0.0);
        let event = Readers::of(story)?.stall(&agent)?;
        mount.make_room()?;
        mount.remount("size=48m")?;
        wait_recorded(&mount.0, &event)?;
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 1.0);
        let gaps = gaps(&mount.0)?;
        ensure!(gaps == ["disk-full"], "{gaps:?}");
        Ok(())
    })
}

#[test]
fn a_read_only_file_system_is_told_and_written_once_it_may_be() -> Result<()> {
    Story::play("state-read-only", Family::V4, |story| {
        let mount = StateMount::make(story, "ro")?;
        let agent = start(story)?;
        let said = agent.log()?;
        for words in ["Read-only file system", "mount that file system writable"] {
            ensure!(said.contains(words), "no `{words}` in {said}");
        }
        let event = Readers::of(story)?.stall(&agent)?;
        mount.remount("rw")?;
        wait_recorded(&mount.0, &event)?;
        let gaps = gaps(&mount.0)?;
        ensure!(gaps == ["write-failed"], "{gaps:?}");
        Ok(())
    })
}

#[test]
fn a_folder_that_is_missing_is_made_and_a_file_that_is_removed_begun_anew() -> Result<()> {
    Story::play("state-missing", Family::V4, |story| {
        let state = state_of(story);
        ensure!(!state.exists());
        let agent = start(story)?;
        let mut readers = Readers::of(story)?;
        wait_recorded(&state, &readers.stall(&agent)?)?;
        for entry in fs::read_dir(&state)? {
            // What is there for a moment the agent may have removed itself.
            match fs::remove_file(entry?.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        agent.wait_log(" was removed while it was written; a new one is begun")?;
        wait_recorded(&state, &readers.stall(&agent)?)?;
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 1.0);
        expect::until("the folder is gone", PATIENCE, || {
            match fs::remove_dir_all(&state) {
                // The agent has made a file meanwhile.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(None),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(())),
                removed => Ok(Some(removed?)),
            }
        })?;
        let is_bounded = agent.status()?["privilege"]["landlock"] == true;
        let words = match is_bounded {
            true => "was removed while it was written, and a new one cannot be begun: ",
            false => " was removed while it was written; a new one is begun",
        };
        expect::until("it is told", PATIENCE, || {
            let said = agent.log()?;
            let count = said.matches(words).count();
            Ok((count > usize::from(!is_bounded)).then_some(()))
        })?;
        // Watching goes on.
        readers.stall(&agent)?;
        Ok(())
    })
}

#[test]
fn a_recorder_of_a_newer_version_is_left_alone_and_the_agent_runs() -> Result<()> {
    Story::play("state-newer", Family::V4, |story| {
        let state = state_of(story);
        fs::create_dir_all(&state)?;
        night(&state)?;
        let file = state.join("recorder.db");
        // `PRAGMA user_version` in the header of the file.
        let writable = File::options().write(true).open(&file)?;
        writable.write_all_at(&99_u32.to_be_bytes(), 60)?;
        let before = fs::read(&file)?;
        let agent = start(story)?;
        Readers::of(story)?.stall(&agent)?;
        let said = agent.log()?;
        for words in [
            "was written by a newer detector (schema 99, this one reads up to ",
            "the agent runs without a recorder",
            "move it away, or run the version of detector that wrote it",
        ] {
            ensure!(said.contains(words), "no `{words}` in {said}");
        }
        ensure!(!said.contains("tries again"), "{said}");
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 0.0);
        ensure!(fs::read(&file)? == before, "it was written");
        Ok(())
    })
}

#[test]
fn a_damaged_recorder_is_set_aside_and_one_of_another_machine_is_named() -> Result<()> {
    Story::play("state-foreign", Family::V4, |story| {
        let state = state_of(story);
        fs::create_dir_all(&state)?;
        night(&state)?;
        let agent = start(story)?;
        let mut readers = Readers::of(story)?;
        wait_recorded(&state, &readers.stall(&agent)?)?;
        let said = agent.log()?;
        for words in [
            "was written by host web1 until 2026-12-29T21:10:30",
            "move the file away if it is another machine's",
        ] {
            ensure!(said.contains(words), "no `{words}` in {said}");
        }
        agent.kill()?;

        let file = state.join("recorder.db");
        let length = usize::try_from(fs::metadata(&file)?.len())?;
        fs::write(&file, vec![0xa5; length])?;
        let agent = start(story)?;
        wait_recorded(&state, &readers.stall(&agent)?)?;
        let aside = state.join("recorder.db.damaged-1");
        let told = format!(
            "the recorder was damaged and is set aside as {}",
            aside.display()
        );
        ensure!(agent.log()?.contains(&told), "{}", agent.log()?);
        ensure!(aside.exists());
        let set_aside = agent
            .metrics()?
            .sum("detector_recorder_files_set_aside_total")?;
        ensure!(set_aside == 1.0, "{set_aside}");
        Ok(())
    })
}

/// Through it a file cannot be mapped, as on some network file systems; those of other hosts are refused
/// by their kind.
#[test]
fn a_file_system_that_cannot_share_memory_is_told_and_the_agent_runs() -> Result<()> {
    Story::play("state-fuse", Family::V4, |story| {
        require(&[("bindfs", "bindfs")])?;
        let (behind, state) = (story.folder().join("behind"), state_of(story));
        fs::create_dir_all(&behind)?;
        fs::create_dir_all(&state)?;
        let mut bindfs = Command::new("bindfs");
        run(bindfs.args(["-o", "direct_io"]).args([&behind, &state]))?;
        let _mount = StateMount(state);
        let agent = start(story)?;
        Readers::of(story)?.stall(&agent)?;
        let said = agent.log()?;
        for words in [
            "is on a file system that cannot share memory between programs",
            "the agent runs without a recorder",
            "choose a folder on a local disk with --state-dir",
        ] {
            ensure!(said.contains(words), "no `{words}` in {said}");
        }
        ensure!(agent.metrics()?.sum("detector_recorder_up")? == 0.0);
        Ok(())
    })
}
