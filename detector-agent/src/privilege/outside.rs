//! Starts threads that are not bound by [`super::files`]: those that look at processes of others.
//!
//! Landlock hides from whoever is under it which files and namespaces processes have that are not. A
//! thread inherits what its starter is under, so that one thread stays outside, and starts those that
//! have to look; it does nothing else, and they read `/proc` and control groups. None of them changes a
//! file.

use super::read_only;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

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

/// Something that a thread outside is to do over and over, and that may never end: it is waited for only so
/// long, and while one is out there is no second one.
#[derive(Debug, Default)]
pub(crate) struct Errand {
    is_out: Arc<AtomicBool>,
}

/// Says that the thread is back, however it ended.
struct Out(Arc<AtomicBool>);

impl Drop for Out {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Errand {
    /// Has a thread outside do this, and waits for it so long.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        name: &str,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        if self.is_out.swap(true, Ordering::AcqRel) {
            return Err(io::Error::other("the last look has not ended yet"));
        }
        let out = Out(Arc::clone(&self.is_out));
        let (sender, answer) = channel();
        spawn(name, move || {
            let done = work();
            drop(out);
            drop(sender.send(done));
        })?;
        answer.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                let seconds = patience.as_secs_f64();
                io::Error::other(format!("looking has not ended within {seconds} s"))
            }
            RecvTimeoutError::Disconnected => {
                io::Error::other("the thread that does it has panicked")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Errand;
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_never_ends_is_waited_for_once_and_no_second_one_begins() {
        let errand = Errand::default();
        let (end, ends) = channel::<()>();
        let began = Instant::now();
        let short = Duration::from_millis(20);
        let never = move || ends.recv().is_ok();
        let late = errand.run("never", short, never).unwrap_err();
        assert!(late.to_string().contains("within 0.02 s"), "{late}");
        let second = errand.run("second", LONG, || ()).unwrap_err();
        assert!(second.to_string().contains("has not ended yet"), "{second}");
        assert!(began.elapsed() < LONG);
        drop(end);
        while errand.run("again", LONG, || ()).is_err() {
            assert!(began.elapsed() < LONG);
            std::thread::yield_now();
        }
        let panics = || panic!("on purpose");
        errand.run::<()>("panics", LONG, panics).unwrap_err();
        assert_eq!(errand.run("after", LONG, || 7).unwrap(), 7);
    }
}
