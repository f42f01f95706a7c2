//! Keys and what they ask for. Pure: a key and what is on the screen in, a command out.
//!
//! The keys are those of the tools that operators know: `less`, `htop`, `below`.

use detector_recorder::Step as PastStep;

/// A key as a terminal reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are on the keys")]
pub(crate) enum Key {
    Char(char),
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    F(u8),
}

/// What has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    /// A table or a page.
    Screen,
    /// The line in which a filter is typed.
    Prompt,
    /// The list of columns to sort by.
    Menu,
    /// The page of help.
    Help,
    /// The question whether to do something.
    Confirmation,
}

/// How far to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfPageUp,
    HalfPageDown,
    First,
    Last,
}

/// A change to the line being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// A character at the cursor.
    Insert(char),
    /// The character before the cursor goes.
    Backspace,
    /// The character under the cursor goes.
    Delete,
    /// The word before the cursor goes.
    DeleteWord,
    /// All goes.
    Clear,
    /// The cursor moves.
    Left,
    /// The cursor moves.
    Right,
    /// The cursor moves to the beginning.
    Home,
    /// The cursor moves to the end.
    End,
}

/// What can be done to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Close its stalled sockets.
    Reset,
    /// Drop what it sends for a time.
    Block,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Leave.
    Quit,
    /// Leave for the shell until it calls us back.
    Suspend,
    /// Show or hide the help.
    Help,
    /// One level up: close what is open, drop the filter.
    Back,
    /// What is under the cursor.
    Open,
    /// The next way of grouping.
    NextGrouping,
    /// The previous way of grouping.
    PreviousGrouping,
    /// Move the cursor or scroll.
    Move(Step),
    /// Choose what to sort by.
    ChooseSort,
    /// Sort by the column to the left.
    SortLeft,
    /// Sort by the column to the right.
    SortRight,
    /// Turn the order around.
    Reverse,
    /// Stop or go on refreshing.
    Pause,
    /// Type a filter.
    TypeFilter,
    /// Change the line.
    Edit(Edit),
    /// Take the line or the choice.
    Accept,
    /// Draw everything anew.
    Redraw,
    /// Do something to the peer here, after a question.
    Act(Action),
    /// From the present into the past, or back.
    Past,
    /// From one recorded second to another one.
    Travel(PastStep),
}

/// A minute of the clock.
const MINUTE_MS: i64 = 60_000;
/// An hour of it.
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What `key` asks for while `focus` has the keys.
pub(crate) fn of(key: Key, focus: Focus) -> Option<Command> {
    match (key, focus) {
        (Key::Ctrl('c'), _) => Some(Command::Quit),
        (Key::Ctrl('z'), _) => Some(Command::Suspend),
        (Key::Ctrl('l'), _) => Some(Command::Redraw),
        (_, Focus::Screen) => on_screen(key),
        (_, Focus::Prompt | Focus::Confirmation) => in_prompt(key),
        (_, Focus::Menu) => in_menu(key),
        (_, Focus::Help) => in_help(key),
    }
}

fn on_screen(key: Key) -> Option<Command> {
    let command = match key {
        Key::Char('q') | Key::F(10) => Command::Quit,
        Key::Char('?' | 'h') | Key::F(1) => Command::Help,
        Key::Esc | Key::Backspace => Command::Back,
        Key::Enter => Command::Open,
        Key::Tab => Command::NextGrouping,
        Key::BackTab => Command::PreviousGrouping,
        Key::Char('/') | Key::F(4) => Command::TypeFilter,
        Key::Char('s') | Key::F(6) => Command::ChooseSort,
        Key::Char('<') | Key::Left => Command::SortLeft,
        Key::Char('>') | Key::Right => Command::SortRight,
        Key::Char('r' | 'I') => Command::Reverse,
        Key::Char(' ' | 'Z') => Command::Pause,
        Key::Char('x') => Command::Act(Action::Reset),
        Key::Char('b') => Command::Act(Action::Block),
        Key::Char('p') => Command::Past,
        Key::Char('T') => Command::Travel(PastStep::Seconds(-1)),
        Key::Char('t') => Command::Travel(PastStep::Seconds(1)),
        Key::Char('M') => Command::Travel(PastStep::Milliseconds(-MINUTE_MS)),
        Key::Char('m') => Command::Travel(PastStep::Milliseconds(MINUTE_MS)),
        Key::Char('O') => Command::Travel(PastStep::Milliseconds(-HOUR_MS)),
        Key::Char('o') => Command::Travel(PastStep::Milliseconds(HOUR_MS)),
        Key::Char('[') => Command::Travel(PastStep::Incident(false)),
        Key::Char(']') => Command::Travel(PastStep::Incident(true)),
        key => Command::Move(step(key)?),
    };
    Some(command)
}

fn in_menu(key: Key) -> Option<Command> {
    match key {
        Key::Char('q' | 's') | Key::Esc | Key::F(6) => Some(Command::Back),
        Key::Enter | Key::Char(' ') => Some(Command::Accept),
        Key::Char('r' | 'I') => Some(Command::Reverse),
        key => step(key).map(Command::Move),
    }
}

fn in_help(key: Key) -> Option<Command> {
    match key {
        Key::Char('q' | '?' | 'h') | Key::Esc | Key::Enter | Key::F(1) => Some(Command::Back),
        key => step(key).map(Command::Move),
    }
}

fn in_prompt(key: Key) -> Option<Command> {
    let edit = match key {
        Key::Enter => return Some(Command::Accept),
        Key::Esc => return Some(Command::Back),
        Key::Char(character) => Edit::Insert(character),
        Key::Backspace | Key::Ctrl('h') => Edit::Backspace,
        Key::Delete | Key::Ctrl('d') => Edit::Delete,
        Key::Ctrl('w') => Edit::DeleteWord,
        Key::Ctrl('u') => Edit::Clear,
        Key::Left | Key::Ctrl('b') => Edit::Left,
        Key::Right | Key::Ctrl('f') => Edit::Right,
        Key::Home | Key::Ctrl('a') => Edit::Home,
        Key::End | Key::Ctrl('e') => Edit::End,
        _ => return None,
    };
    Some(Command::Edit(edit))
}

fn step(key: Key) -> Option<Step> {
    let step = match key {
        Key::Up | Key::Char('k') | Key::Ctrl('p') => Step::Up,
        Key::Down | Key::Char('j') | Key::Ctrl('n') => Step::Down,
        Key::PageUp | Key::Ctrl('b') => Step::PageUp,
        Key::PageDown | Key::Ctrl('f') => Step::PageDown,
        Key::Ctrl('u') => Step::HalfPageUp,
        Key::Ctrl('d') => Step::HalfPageDown,
        Key::Home | Key::Char('g') => Step::First,
        Key::End | Key::Char('G') => Step::Last,
        _ => return None,
    };
    Some(step)
}

#[cfg(test)]
mod tests;
