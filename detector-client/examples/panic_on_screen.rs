//! Panics on the screen that `detector top` draws on, so that a test sees what is left of the
//! terminal.
#![allow(clippy::panic, reason = "what it is for")]
#![allow(clippy::print_stderr, reason = "said beside the message of the panic")]

use anyhow::{Context, Result, bail};
use detector_client::top::Screen;
use ratatui::Frame;
use ratatui::style::Style;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Fills the screen, so that whatever is left of it covers the message.
const TEXT: &str = "stale-frame ";
/// A frame that is slow enough for a message to come in its midst, if nothing holds that back.
const SLOW: Duration = Duration::from_millis(200);

static IS_DRAWING: AtomicBool = AtomicBool::new(false);

fn main() -> Result<()> {
    let place = std::env::args().nth(1).context("name a place")?;
    let tell = std::panic::take_hook();
    // Called by the screen's own hook once the terminal is given back.
    std::panic::set_hook(Box::new(move |panic| {
        if IS_DRAWING.load(Ordering::SeqCst) {
            eprintln!("told in the midst of a frame");
        }
        tell(panic);
    }));
    let mut screen = Screen::take().context("cannot take over the terminal")?;
    screen.draw(fill)?;
    match place.as_str() {
        "the frame" => Ok(screen.draw(|_| panic!("panicked in the frame"))?),
        "a task" => panic_in_a_task(&mut screen),
        "a thread" => panic_on_a_thread(&mut screen),
        _ => bail!("no place {place}"),
    }
}

/// As where `top` asks the agent: it may draw once more before it sees what became of the task.
fn panic_in_a_task(screen: &mut Screen) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ended =
        runtime.block_on(async { tokio::spawn(async { panic!("panicked in a task") }).await });
    screen.draw(fill)?;
    match ended {
        Err(error) => std::panic::resume_unwind(error.into_panic()),
        Ok(()) => bail!("the task did not panic"),
    }
}

/// As where `top` reads keys, while a frame is being drawn.
fn panic_on_a_thread(screen: &mut Screen) -> Result<()> {
    screen.draw(|frame| {
        IS_DRAWING.store(true, Ordering::SeqCst);
        std::thread::spawn(|| panic!("panicked in a thread"));
        std::thread::sleep(SLOW);
        fill(frame);
        IS_DRAWING.store(false, Ordering::SeqCst);
    })?;
    // The panic ends the process, whatever is drawn.
    loop {
        screen.draw(fill)?;
    }
}

fn fill(frame: &mut Frame<'_>) {
    let area = frame.area();
    let line: String = TEXT.chars().cycle().take(area.width.into()).collect();
    for y in 0..area.height {
        frame.buffer_mut().set_string(0, y, &line, Style::new());
    }
}
