//! A panic of `detector top` gives the terminal back, and its message can be read there: on the
//! thread that draws, in a task on it, and on another thread in the midst of a frame.
//!
//! The program is `examples/panic_on_screen.rs`, which draws on the same screen.

use anyhow::{Context, Result, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

const FRAME: &str = "stale-frame";
const LEAVE_ALTERNATE_SCREEN: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
const HIDE_CURSOR: &str = "\u{1b}[?25l";
const NO_MARKS_AROUND_PASTED_TEXT: &str = "\u{1b}[?2004l";

#[test]
fn a_panic_gives_the_terminal_back_and_its_message_can_be_read() -> Result<()> {
    for place in ["the frame", "a task", "a thread"] {
        let (status, output) = run_in_terminal(place)?;
        let seen = || format!("{place}: {status}, {output:?}");
        let (before, after) = output
            .split_once(LEAVE_ALTERNATE_SCREEN)
            .with_context(seen)?;
        let message = format!("\r\npanicked in {place}\r\n");
        let is_left_readable = after.contains(&message)
            && after.contains(SHOW_CURSOR)
            && !after.contains(HIDE_CURSOR)
            && !after.contains(FRAME);
        let is_whole = before.contains(FRAME) && before.contains(NO_MARKS_AROUND_PASTED_TEXT);
        ensure!(status.code() == Some(101), seen());
        ensure!(is_left_readable && is_whole, seen());
        ensure!(!after.contains("in the midst of a frame"), seen());
    }
    Ok(())
}

/// Runs it to its end in a terminal of its own, which must be set then as it was before; gives all
/// that it put out there.
fn run_in_terminal(place: &str) -> Result<(ExitStatus, String)> {
    let (master, slave) = open_terminal()?;
    let before = tcgetattr(&slave)?;
    let mut command = Command::new(program()?);
    command.arg(place).env("RUST_BACKTRACE", "0");
    command.stdin(slave.try_clone()?);
    command.stdout(slave.try_clone()?);
    command.stderr(slave.try_clone()?);
    let mut child = command.spawn()?;
    // With its copies of the program's side, or that would stay open.
    drop(command);
    let reader = std::thread::spawn(move || read_all(master));
    let status = child.wait()?;
    let after = tcgetattr(&slave)?;
    ensure!(
        format!("{after:?}") == format!("{before:?}"),
        "{place}: {after:?}, was {before:?}"
    );
    // The last of the program's side: what is read ends now.
    drop(slave);
    let output = reader.join().ok().context("reading panicked")?;
    Ok((status, output))
}

/// Our side and the program's.
fn open_terminal() -> Result<(File, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty())?;
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size)?;
    Ok((File::from(master), slave))
}

fn read_all(mut master: File) -> String {
    let mut bytes = Vec::new();
    // It ends with an error once nobody has the program's side open.
    drop(master.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Cargo builds the examples before it runs the tests.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).context("folder of what is built")?;
    let program = folder.join("examples/panic_on_screen");
    ensure!(
        program.is_file(),
        "not built: run `cargo build -p detector-client --examples` first"
    );
    Ok(program)
}
