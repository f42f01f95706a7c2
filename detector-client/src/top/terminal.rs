//! The terminal: taken over, given back whatever happens, its keys on a thread of their own.

use super::action::Key;
use super::provoke::panic_at;
use super::state::State;
use super::view::{self, Look};
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Keys between the terminal and us; more than that were not typed by hand.
const KEYS: usize = 256;
/// Exit code of a program that panicked.
const PANICKED: i32 = 101;

/// Whether the terminal is ours now.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours; given back when dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    look: Look,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take(look: Look) -> io::Result<Self> {
        give_back_on_panic();
        // Given back also when what follows fails.
        let taken = take();
        let terminal = taken.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal, look }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws the state; gives how far what is open can be scrolled.
    pub(super) fn draw(&mut self, state: &State) -> io::Result<usize> {
        panic_at("drawing");
        // Another thread that panicked gave it back, and its message stands there now.
        if !IS_TAKEN.load(Ordering::SeqCst) {
            return Ok(0);
        }
        let mut scrolls = 0;
        let look = self.look;
        self.terminal
            .draw(|frame| scrolls = view::draw(frame, state, look))?;
        Ok(scrolls)
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
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)
}

/// Puts the terminal back as it was; does nothing if it is not ours.
fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each as far as it goes: a terminal that is gone needs nothing.
    drop(execute!(
        io::stdout(),
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
            give_back();
            tell(panic);
            // The main thread unwinds and tidies up; without another nothing works any more.
            if std::thread::current().id() != main {
                std::process::exit(PANICKED);
            }
        }));
    });
}

/// What comes from the terminal.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A key.
    Key(Key),
    /// Text from the clipboard.
    Paste(String),
    /// It has this many columns and lines now.
    Resized(u16, u16),
}

/// Reads the terminal on a thread of its own, which ends with the process; the channel closes when
/// the terminal is gone.
pub(super) fn inputs() -> io::Result<mpsc::Receiver<Input>> {
    let (sender, inputs) = mpsc::channel(KEYS);
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            while let Ok(event) = crossterm::event::read() {
                panic_at("reading keys");
                let Some(input) = input_of(event) else {
                    continue;
                };
                if sender.blocking_send(input).is_err() {
                    return;
                }
            }
        })?;
    Ok(inputs)
}

fn input_of(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(Input::Key),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(columns, lines) => Some(Input::Resized(columns, lines)),
        _ => None,
    }
}

fn key_of(key: KeyEvent) -> Option<Key> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let key = match key.code {
        KeyCode::Char(character) if is_control => Key::Ctrl(character.to_ascii_lowercase()),
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::F(number) => Key::F(number),
        _ => return None,
    };
    Some(key)
}

/// What the terminal can show, by the environment's word.
pub(super) fn look() -> Look {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    let locale = locale.map_or(String::new(), |value| {
        value.to_string_lossy().to_ascii_lowercase()
    });
    let terminal = variable("TERM").unwrap_or_default();
    Look {
        has_colours: variable("NO_COLOR").is_none() && has_colours(&terminal.to_string_lossy()),
        has_unicode: locale.contains("utf-8") || locale.contains("utf8"),
    }
}

/// Whether a terminal of this name has colours; the few that have none are old or say so.
fn has_colours(terminal: &str) -> bool {
    let is_without = matches!(
        terminal,
        "dumb" | "vt52" | "vt100" | "vt102" | "vt220" | "vt320"
    ) || terminal.ends_with("-m")
        || terminal.ends_with("-mono");
    !is_without
}
