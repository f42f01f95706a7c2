//! What was acknowledged is there after SIGKILL. A short round; `cargo xtask chaos` has the long one.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Rounds where nobody asks for another number.
const KILLS: u64 = 20;
/// The longest that a writer lives after its first word, or in every other round after the first event that it
/// announces: that may come late on a busy disk.
const LIFE_US: u64 = 60_000;

/// Of each kind (event, incident) the highest number that a program says.
fn newest(lines: impl Iterator<Item = String>, kind: &str) -> u64 {
    lines
        .filter_map(|line| line.strip_prefix(kind)?.trim().parse().ok())
        .max()
        .unwrap_or(0)
}

fn write_and_kill(
    example: &Path,
    folder: &Path,
    is_to_announce: bool,
    life: Duration,
) -> Vec<String> {
    let mut writer = Command::new(example)
        .arg("write")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert_eq!(
        lines.next().unwrap().unwrap(),
        "opened, damaged before: false"
    );
    let mut said = Vec::new();
    if is_to_announce {
        said.push(lines.next().unwrap().unwrap());
    }
    // Its pipe holds what it says meanwhile.
    std::thread::sleep(life);
    writer.kill().unwrap();
    writer.wait().unwrap();
    said.extend(lines.map_while(Result::ok));
    said
}

#[test]
fn nothing_acknowledged_is_lost_to_a_kill() {
    let kills = std::env::var("DETECTOR_KILLS");
    let kills = kills.map_or(KILLS, |kills| kills.parse().unwrap());
    let example = example("chaos");
    let folder = tempfile::tempdir().unwrap();
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut seed = u64::from(since_1970.subsec_nanos());
    println!("{kills} kills, seed {seed}");
    let mut announced = 0;
    for kill in 0..kills {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let life = Duration::from_micros((seed >> 33) % LIFE_US);
        let said = write_and_kill(&example, folder.path(), kill % 2 == 0, life);
        let check = Command::new(&example)
            .arg("check")
            .arg(folder.path())
            .output()
            .unwrap();
        let found = String::from_utf8(check.stdout).unwrap();
        let found = || found.lines().map(str::to_owned);
        for line in ["integrity ok", "events missing in between 0"] {
            assert!(
                found().any(|found| found == line),
                "no {line:?} in {:?}",
                found().collect::<Vec<_>>()
            );
        }
        for kind in ["event ", "incident "] {
            let (said, found) = (newest(said.iter().cloned(), kind), newest(found(), kind));
            assert!(
                found >= said,
                "{kind}{said} was announced, {found} is there"
            );
        }
        announced += said.len();
    }
    // Else nothing was tried.
    assert!(announced as u64 >= kills / 2, "{announced}");
}

/// An example of this package, built beside its tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let file = profile.join("examples").join(name);
    assert!(
        file.exists(),
        "{} is not built: cargo build -p detector-recorder --example chaos",
        file.display()
    );
    file
}
