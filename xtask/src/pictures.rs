//! Pictures of docs/first-incident.md: what commands show of the night that `cargo xtask demo --incident` plays,
//! read from what its hosts recorded.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::background::Scratch;
use crate::incident;
use crate::marked::version;
use crate::picture::svg;
use crate::terminal::Terminal;
use crate::tree;

const PATIENCE: Duration = Duration::from_secs(30);
/// Whoever plays the worst peer of the night.
const PEER: &str = "203.0.113.9";
/// More lines than any of them prints,
const SIZE: (u16, u16) = (112, 400);
/// and those that a picture has.
const LINES: usize = 48;
const TOP_SIZE: (u16, u16) = (100, 22);
/// Seconds of an incident until somebody is accused.
const SECONDS: usize = 20;

/// Plays the night and writes the pictures.
pub(crate) fn write(agent: &Path, play: &Path, release: &str) -> Result<()> {
    let night = incident::play(agent, play)?;
    let place = night.folder.as_path();
    let folder = tree::root().join("docs/pictures");
    fs::create_dir_all(&folder).context("cannot make a folder for pictures")?;
    let scratch = Scratch::create("pictures")?;
    let words = (release, version(release));
    let keep = |name: &str, terminal: &Terminal| {
        let file = folder.join(format!("{name}.svg"));
        fs::write(&file, svg(terminal.screen(), LINES, words))
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("docs/pictures/{name}.svg: written");
        anyhow::Ok(())
    };
    let of_web1 = |arguments: &[&str]| {
        let mut command = Command::new(agent);
        command.current_dir(place).args(arguments);
        command.args(["--state-dir", "web1.db"]);
        command
    };
    let mut report = Command::new(agent);
    report
        .current_dir(place)
        .args(["report", "web1.db", "web2.db"]);
    for (name, command) in [
        ("peers", of_web1(&["peers", "--since", "1h"])),
        ("explain", of_web1(&["explain", PEER])),
        ("incidents", of_web1(&["incidents"])),
        ("report", report),
    ] {
        let mut terminal = Terminal::run(&command, &scratch.path, SIZE)?;
        terminal.wait_for_end(PATIENCE)?;
        keep(name, &terminal)?;
    }
    let mut top = Terminal::run(&of_web1(&["top"]), &scratch.path, TOP_SIZE)?;
    // The newest second, from there back to the last incident, and on until it is judged.
    top.wait_frame(PATIENCE, |text| text.contains("web1"))?;
    top.press(b"[")?;
    let mut seen = top.wait_frame(PATIENCE, |text| text.contains(PEER))?;
    for _ in 0..SECONDS {
        if seen.contains("zero-window-attack") {
            return keep("top", &top);
        }
        let before = seen;
        top.press(b"t")?;
        seen = top.wait_frame(PATIENCE, |text| text != before)?;
    }
    bail!("nobody is accused within {SECONDS} s:\n{seen}")
}
