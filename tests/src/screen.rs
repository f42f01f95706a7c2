//! A program in a pseudo-terminal, and the screen that it draws there.

use crate::expect;
use anyhow::{Context, Result, ensure};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use vt100::{MouseProtocolMode, Parser};

/// A program in a terminal; killed with its guard.
pub struct Screen {
    child: Child,
    /// What a user types and sees. The program alone has the other side.
    master: File,
    /// How the terminal was set before.
    before: Termios,
    parser: Arc<Mutex<Parser>>,
    /// Takes over what the program writes; ends with the last who may write.
    reader: JoinHandle<()>,
}

impl Screen {
    /// Starts the program in a terminal of so many columns and lines.
    pub fn start(mut command: Command, columns: u16, lines: u16) -> Result<Self> {
        let pair = openpty(None, None).context("open a pseudo-terminal")?;
        tcsetwinsize(&pair.master, size_of(columns, lines))?;
        let before = tcgetattr(&pair.master)?;
        command.stdin(pair.slave.try_clone()?);
        command.stdout(pair.slave.try_clone()?);
        command.stderr(pair.slave);
        let child = command.spawn().context("start a program in a terminal")?;
        let parser = Arc::new(Mutex::new(Parser::new(lines, columns, 0)));
        let mut output = File::from(pair.master.try_clone()?);
        let reading = Arc::clone(&parser);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                lock(&reading).process(&bytes[..length]);
            }
        });
        Ok(Self {
            child,
            master: File::from(pair.master),
            before,
            parser,
            reader,
        })
    }

    /// What is on the screen now.
    #[must_use]
    pub fn text(&self) -> String {
        lock(&self.parser).screen().contents()
    }

    /// Waits until the screen looks as wanted, and gives it.
    pub fn wait(
        &self,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let seen = expect::until(what, deadline, || {
            let text = self.text();
            Ok(is_so(&text).then_some(text))
        });
        seen.with_context(|| format!("the screen:\n{}", self.text()))
    }

    /// Types.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.master.write_all(keys.as_bytes())?;
        Ok(())
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, lines: u16) -> Result<()> {
        lock(&self.parser).screen_mut().set_size(lines, columns);
        tcsetwinsize(&self.master, size_of(columns, lines))?;
        // The kernel tells the foreground group of a session's own terminal; this one is not.
        self.signal(Signal::SIGWINCH)
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }

    /// Waits until the program has ended and all that it wrote is on the screen.
    pub fn wait_end(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        let status = expect::until("the program has ended", deadline, || Ok(child.try_wait()?))?;
        expect::until("its last words are on the screen", deadline, || {
            Ok(self.reader.is_finished().then_some(()))
        })?;
        Ok(status)
    }

    /// Fails unless the terminal of a program that has ended is as a shell left it: its own screen, its cursor, no mouse, no
    /// marks around pasted text, and every mode of the line.
    pub fn expect_given_back(&self) -> Result<()> {
        {
            let parser = lock(&self.parser);
            let screen = parser.screen();
            ensure!(
                !screen.alternate_screen()
                    && !screen.hide_cursor()
                    && !screen.bracketed_paste()
                    && !screen.application_cursor()
                    && screen.mouse_protocol_mode() == MouseProtocolMode::None,
                "the screen is not as a shell left it: {}",
                screen.contents()
            );
        }
        let (now, before) = (tcgetattr(&self.master)?, &self.before);
        ensure!(
            (now.input_modes, now.output_modes, now.control_modes)
                == (
                    before.input_modes,
                    before.output_modes,
                    before.control_modes
                )
                && now.local_modes == before.local_modes,
            "the terminal is not as it was: {now:?}, was {before:?}"
        );
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that has ended needs neither.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lock(parser: &Mutex<Parser>) -> MutexGuard<'_, Parser> {
    parser.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn size_of(columns: u16, lines: u16) -> Winsize {
    Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
