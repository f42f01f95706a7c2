//! The terminal, taken over to show frames and given back whatever happens.

use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a program that panicked.
const PANICKED: i32 = 101;

/// Whether the terminal is ours now; changes only under stdout's lock, which is held for a whole
/// frame.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours; given back when dropped, and when any thread panics.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over. A panic on another thread than this one ends the process.
    ///
    /// # Errors
    ///
    /// When stdout is no terminal, or one that is gone.
    pub fn take() -> io::Result<Self> {
        give_back_on_panic();
        // Given back also when what follows fails.
        let taken = take();
        let terminal = taken.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws a frame; nothing once a panic has given the terminal back.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let _whole_frame = io::stdout().lock();
        // The message of a panic stands there now.
        if IS_TAKEN.load(Ordering::SeqCst) {
            self.terminal.draw(render)?;
        }
        Ok(())
    }

    /// Forgets what is on the screen: the next frame draws every cell.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Columns and lines.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Gives the terminal to the shell until it calls this process back.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        use rustix::process::{Signal, getpid, kill_process};
        give_back();
        kill_process(getpid(), Signal::STOP)?;
        take()?;
        self.redraw()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    let mut terminal = io::stdout().lock();
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    execute!(terminal, EnterAlternateScreen, EnableBracketedPaste)
}

/// Puts the terminal back as it was; does nothing if it is not ours.
fn give_back() {
    let mut terminal = io::stdout().lock();
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each as far as it goes: a terminal that is gone needs nothing.
    drop(execute!(
        terminal,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    ));
    drop(disable_raw_mode());
}

/// Messages of a panic are to be read on the user's own screen.
fn give_back_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        let main = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            // Waits for a frame that another thread draws: the rest of it would hide the cursor
            // again and cover the message. On the thread that draws, the lock is had already.
            let _no_more_frames = io::stdout().lock();
            give_back();
            tell(panic);
            // The main thread unwinds and tidies up; without another nothing works any more.
            if std::thread::current().id() != main {
                std::process::exit(PANICKED);
            }
        }));
    });
}
