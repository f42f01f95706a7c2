//! Reads what the tasks of a process sleep in, on a thread that is left behind where that never ends.
//!
//! The kernel keeps whoever reads it waiting while the process is about to run another program, and for how long
//! that takes may be up to any user. In: processes and numbers of threads. Out: lines for [`super::syscall`].
//! Never: waiting for long, or for a process that still keeps a thread waiting.

use super::proc::{Miss, ProcessFolder};
use crate::clock::thread_time;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

const SYSCALL_BYTES: usize = 256;
/// Reading some hundred lines never takes as long as this unless something hangs, or the host does for a while.
const PATIENCE: Duration = Duration::from_secs(1);
/// Threads that may be left behind: no more calls are read then. So a count waits for no more seconds than this.
pub(super) const LEFT_MAX: usize = 8;

/// What one thread sleeps in, as the kernel writes it.
pub(super) type Line = Result<Vec<u8>, Miss>;

type Read = fn(&ProcessFolder, u32) -> Line;

/// Lines, in the order of the threads, and the processor time that they took.
type Answer = (Vec<Line>, Duration);

/// Number and start of a process.
type Key = (u32, u64);

/// Threads of one process.
type Order = (Arc<ProcessFolder>, Vec<u32>);

/// See the module.
#[derive(Debug)]
pub(super) struct CallReader {
    read: Read,
    reader: Option<Reader>,
    /// Those that were left behind, each with the process that it waits for.
    left: Vec<(Key, JoinHandle<()>)>,
}

/// A thread that reads.
#[derive(Debug)]
struct Reader {
    orders: Sender<Order>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

/// What one thread sleeps in now.
pub(super) fn read(process: &ProcessFolder, thread: u32) -> Line {
    process.read(&format!("task/{thread}/syscall"), SYSCALL_BYTES)
}

impl CallReader {
    pub(super) fn new(read: Read) -> Self {
        Self {
            read,
            reader: None,
            left: Vec::new(),
        }
    }

    /// To be called before each count. Whoever has answered by now may just have been slow, and is asked again.
    pub(super) fn begin_count(&mut self) {
        self.left.retain(|(_, thread)| !thread.is_finished());
    }

    /// What these threads of a process sleep in; none may be read where too many threads are left behind.
    ///
    /// # Errors
    ///
    /// It hangs, or has done so in this count, or since an earlier one.
    pub(super) fn lines(
        &mut self,
        process: &Arc<ProcessFolder>,
        started_ticks: u64,
        threads: &[u32],
    ) -> Result<Answer, Miss> {
        let key = (process.pid, started_ticks);
        if self.left.iter().any(|(left, _)| *left == key) {
            return Err(Miss::Hangs);
        }
        let unread = || (vec![Err(Miss::Unreadable); threads.len()], Duration::ZERO);
        if self.left.len() >= LEFT_MAX {
            return Ok(unread());
        }
        let reader = match self.reader.take() {
            Some(reader) => Some(reader),
            None => Reader::start(self.read),
        };
        let Some(reader) = reader else {
            return Ok(unread());
        };
        // Where it is gone, no answer comes, at once.
        drop(reader.orders.send((Arc::clone(process), threads.to_vec())));
        if let Ok(answer) = reader.answers.recv_timeout(PATIENCE) {
            self.reader = Some(reader);
            return Ok(answer);
        }
        self.leave(reader, key);
        Err(Miss::Hangs)
    }

    #[cfg(test)]
    pub(super) fn left_behind(&self) -> usize {
        self.left.len()
    }

    fn leave(&mut self, reader: Reader, process: Key) {
        let pid = process.0;
        // Who has many hang, one after the other, fills no log.
        if self.left.is_empty() {
            tracing::warn!(
                "process {pid} hangs: what its tasks wait for is not read while it does"
            );
        } else {
            tracing::debug!("process {pid} hangs, too");
        }
        self.left.push((process, reader.thread));
        if self.left.len() >= LEFT_MAX {
            tracing::warn!(
                "{LEFT_MAX} processes hang: which workers wait in a write is not read while they do"
            );
        }
    }
}

impl Reader {
    /// Inherits from the thread that looks for owners what that may and how nice it is.
    fn start(read: Read) -> Option<Self> {
        let (orders, asked) = channel::<Order>();
        let (sender, answers) = channel();
        let work = move || {
            let mut used_before = thread_time();
            for (process, threads) in asked {
                let lines = threads.iter().map(|thread| read(&process, *thread));
                let lines = lines.collect();
                drop(process);
                let used = thread_time();
                if sender
                    .send((lines, used.saturating_sub(used_before)))
                    .is_err()
                {
                    return;
                }
                used_before = used;
            }
        };
        let thread = Builder::new().name("calls".to_owned()).spawn(work);
        match thread {
            Ok(thread) => Some(Self {
                orders,
                answers,
                thread,
            }),
            Err(error) => {
                tracing::debug!("cannot read what tasks wait for: {error}");
                None
            }
        }
    }
}
