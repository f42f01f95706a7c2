//! Crowds that hold connections: some never end a request, some never read an answer, some say nothing.
//! Whoever is let go comes again.

use super::{Listener, Stream};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// In which each of a crowd does something once.
const ROUND: Duration = Duration::from_secs(1);
/// Answers that are not read, of which the first ones fill all buffers.
const UNREAD: usize = 100;

#[derive(Clone, Copy)]
enum Way {
    NeverEnds,
    NeverReads,
    SaysNothing,
}

pub(super) struct Crowd {
    listener: Listener,
    clients: Vec<(Way, Option<Box<dyn Stream>>)>,
    came: u64,
}

impl Crowd {
    pub(super) fn new(listener: Listener, size: usize) -> Self {
        let ways = [Way::NeverEnds, Way::NeverReads, Way::SaysNothing];
        let clients = ways.into_iter().cycle().take(size);
        Self {
            listener,
            clients: clients.map(|way| (way, None)).collect(),
            came: 0,
        }
    }

    /// Gives how often one came again.
    pub(super) fn stay_until(mut self, is_over: &AtomicBool) -> u64 {
        let size = self.clients.len();
        let pause = ROUND / u32::try_from(size.max(1)).unwrap_or(u32::MAX);
        while !is_over.load(Ordering::Relaxed) {
            for number in 0..size {
                self.go_on(number);
                thread::sleep(pause);
            }
        }
        self.came.saturating_sub(size as u64)
    }

    fn go_on(&mut self, number: usize) {
        let (way, connection) = &mut self.clients[number];
        if let Some(stream) = connection {
            let is_held = match way {
                Way::NeverEnds => is_held(stream.write(b"a")),
                Way::NeverReads => is_held(stream.write(b"GET")),
                Way::SaysNothing => is_held(stream.read(&mut [0])),
            };
            if is_held {
                return;
            }
            *connection = None;
        }
        let Ok(mut stream) = self.listener.connect(None) else {
            return;
        };
        self.came += 1;
        let path = match &self.listener {
            Listener::Web(_) => "/metrics",
            Listener::Control(_) => "/v1/peers",
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n");
        let begin = match way {
            Way::NeverEnds => request + "X: ",
            Way::NeverReads => (request + "\r\n").repeat(UNREAD),
            Way::SaysNothing => String::new(),
        };
        // As much as it takes.
        drop(stream.write(begin.as_bytes()));
        *connection = Some(stream);
    }
}

/// Whether the connection is there still.
fn is_held(outcome: std::io::Result<usize>) -> bool {
    match outcome {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
