//! Starts threads that are not bound by [`super::files`]: those that look at processes of others.
//!
//! Landlock hides from whoever is under it which files and namespaces processes have that are not. A
//! thread inherits what its starter is under, so that one thread stays outside, and starts those that
//! have to look; it does nothing else, and they read `/proc` and control groups. None of them changes a
//! file.

use super::read_only;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// Empty where nothing is bounded: a test, or an agent that has not come so far.
static DOOR: OnceLock<Sender<Job>> = OnceLock::new();

/// Keeps a thread outside; to be called once, before this thread is bounded.
pub(super) fn stay() -> io::Result<()> {
    let (door, jobs) = channel::<Job>();
    Builder::new()
        .name("unconfined".to_owned())
        .spawn(move || {
            if let Err(error) = read_only::stay() {
                tracing::info!("threads outside of Landlock may change files: {error}");
            }
            jobs.into_iter().for_each(|start| start());
        })?;
    // It is called once.
    DOOR.get_or_init(|| door);
    Ok(())
}

/// Starts a thread outside.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let thread = Builder::new().name(name.to_owned());
    let Some(door) = DOOR.get() else {
        return thread.spawn(work);
    };
    let gone = || io::Error::other("the thread that starts others is gone");
    let (sender, started) = channel();
    let start = move || drop(sender.send(thread.spawn(work)));
    door.send(Box::new(start)).map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}

/// Has a thread outside do this, and waits for it.
pub(crate) fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let panicked = |_| io::Error::other("the thread that does it has panicked");
    spawn(name, work)?.join().map_err(panicked)
}
