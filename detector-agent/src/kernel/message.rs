//! What the kernel side sends, and how: what hooks tell comes first.

use detector_core::observe::observation::{Observation, SweepEnd, UntrackedTotals};
use std::future::poll_fn;
use std::task::Poll;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Messages of either kind that wait for the judge, at most. Full, they make the kernel side wait, and
/// the ring counts what it then cannot hold.
const WAITING: usize = 64;
/// Records in one message, at most: what is judged without a look at what has just happened.
pub(super) const RECORDS: usize = 256;

/// What the kernel side sends.
#[derive(Debug)]
pub(crate) enum Message {
    /// Decoded records, oldest first.
    Records(Vec<Observation>),
    /// This many records could not be decoded.
    Refused(u64),
    /// One pass over one namespace ended.
    SweepEnd(SweepEnd),
    /// New totals of what the kernel side could not keep per connection.
    Untracked(UntrackedTotals),
    /// The kernel side cannot go on; nothing follows.
    Failed(String),
}

/// Where the threads of the kernel side send to.
pub(crate) struct Sinks {
    /// What the ring brings: it happened just now.
    pub(crate) hooks: Sender<Message>,
    /// Rows of a sweep, thousands at once where thousands are stalled.
    pub(crate) sweep: Sender<Message>,
}

/// What the kernel side has sent and nobody has judged.
pub(crate) struct Messages {
    hooks: Receiver<Message>,
    sweep: Receiver<Message>,
}

/// Where the kernel side sends to, and where it arrives.
pub(crate) fn messages() -> (Sinks, Messages) {
    let (hooks_sink, hooks) = channel(WAITING);
    let (sweep_sink, sweep) = channel(WAITING);
    let sinks = Sinks {
        hooks: hooks_sink,
        sweep: sweep_sink,
    };
    (sinks, Messages { hooks, sweep })
}

impl Messages {
    /// Waits for messages and appends them to `batch`: up to `most` of hooks, and then one of a sweep, so
    /// that what has just happened waits for no pass over all sockets, and a pass goes on in a flood.
    /// Returns how many came; none once all threads of the kernel side have ended. Nothing is lost if
    /// the caller stops waiting.
    pub(crate) async fn take(&mut self, batch: &mut Vec<Message>, most: usize) -> usize {
        let before = batch.len();
        poll_fn(|context| {
            let hooks = self.hooks.poll_recv_many(context, batch, most);
            let sweep = self.sweep.poll_recv(context);
            let has_ended = matches!((&hooks, &sweep), (Poll::Ready(0), Poll::Ready(None)));
            if let Poll::Ready(Some(message)) = sweep {
                batch.push(message);
            }
            if batch.len() > before || has_ended {
                Poll::Ready(batch.len() - before)
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, messages};

    /// Numbers stand for messages.
    fn numbers(batch: &[Message]) -> Vec<u64> {
        let number = |message: &Message| match message {
            Message::Refused(number) => *number,
            other => panic!("{other:?} was not sent"),
        };
        batch.iter().map(number).collect()
    }

    #[tokio::test]
    async fn what_hooks_tell_passes_what_waits_of_a_sweep_and_keeps_no_sweep_out() {
        let (sinks, mut messages) = messages();
        for row in [101, 102, 103] {
            sinks.sweep.send(Message::Refused(row)).await.unwrap();
        }
        for record in 1..=5 {
            sinks.hooks.send(Message::Refused(record)).await.unwrap();
        }
        let mut batch = vec![];
        let mut taken = vec![];
        for _ in 0..3 {
            messages.take(&mut batch, 2).await;
            taken.push(numbers(&batch));
            batch.clear();
        }
        assert_eq!(taken, [vec![1, 2, 101], vec![3, 4, 102], vec![5, 103]]);
    }

    #[tokio::test]
    async fn one_thread_that_ends_leaves_the_other_heard() {
        for ends_first in ["hooks", "sweep"] {
            let (sinks, mut messages) = messages();
            let (ends, goes_on) = match ends_first {
                "hooks" => (sinks.hooks, sinks.sweep),
                _ => (sinks.sweep, sinks.hooks),
            };
            drop(ends);
            let mut batch = vec![];
            let sent = async {
                // The other waits by now.
                tokio::task::yield_now().await;
                goes_on.send(Message::Refused(1)).await.unwrap();
            };
            let (count, ()) = tokio::join!(messages.take(&mut batch, 16), sent);
            assert_eq!((count, numbers(&batch)), (1, vec![1]), "{ends_first} first");
            drop(goes_on);
            assert_eq!(messages.take(&mut batch, 16).await, 0);
        }
    }
}
