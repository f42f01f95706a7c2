//! A small HTTP server for what real ones do not do on request.
//!
//! | path | does |
//! |---|---|
//! | `/bytes/N` | answers N bytes, then waits until the client closes |
//! | `/after/N` | answers 1,000 bytes, and N more as soon as the client says another word |
//! | `/small` | answers 1,000 bytes, as often as it is asked |
//! | `/close/N` | answers N bytes and closes at once, with the queue still full |

use crate::expect::PATIENCE;
use crate::network::Namespace;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, gettid};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Send buffer of `/close`, so that the answer fits without the client's help.
const CLOSE_BUFFER_BYTES: usize = 400_000;

/// Open connections, to be shut down at the end; `None` once that has happened.
type Streams = Arc<Mutex<Option<Vec<TcpStream>>>>;

/// The thread that serves each client, by the client's address.
type Workers = Arc<Mutex<HashMap<SocketAddr, Pid>>>;

/// A running server; its sockets are shut down when it is dropped.
#[derive(Debug)]
pub struct TinyServer {
    address: SocketAddr,
    closed: Arc<AtomicU64>,
    workers: Workers,
    /// Closed at the end, which wakes whoever waits.
    running: Option<PipeWriter>,
    acceptor: Option<JoinHandle<()>>,
}

impl TinyServer {
    /// Listens on `ip` and a free port in `namespace`.
    pub fn start(namespace: &Namespace, ip: IpAddr) -> Result<Self> {
        Self::start_on(namespace, SocketAddr::new(ip, 0))
    }

    /// Listens on this address and port in `namespace`.
    pub fn start_on(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        let listener = namespace
            .enter(|| Ok(TcpListener::bind(address)?))
            .with_context(|| format!("listen on {address}"))?;
        Self::serve(listener)
    }

    /// The same for MPTCP.
    pub fn start_mptcp(namespace: &Namespace, address: SocketAddr) -> Result<Self> {
        let listen = || {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::MPTCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(16)?;
            Ok(TcpListener::from(socket))
        };
        let listener = namespace.enter(listen);
        Self::serve(listener.with_context(|| format!("listen on {address} for MPTCP"))?)
    }

    fn serve(listener: TcpListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (over, running) = pipe()?;
        let over = Arc::new(over);
        let closed = Arc::new(AtomicU64::new(0));
        let workers = Workers::default();
        let acceptor = std::thread::Builder::new()
            .name("tiny server".to_owned())
            .spawn({
                let (closed, workers) = (Arc::clone(&closed), Arc::clone(&workers));
                move || accept(&listener, &over, &closed, &workers)
            })?;
        Ok(Self {
            address,
            closed,
            workers,
            running: Some(running),
            acceptor: Some(acceptor),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many answers to `/close` it has closed its socket behind.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether it serves this client and can do nothing for it now but wait: it is not in the midst
    /// of a write that another program has interrupted.
    pub fn is_waiting(&self, client: SocketAddr) -> Result<bool> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = workers.get(&client) else {
            return Ok(false);
        };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")) else {
            // It has ended.
            return Ok(true);
        };
        let (_, fields) = stat.rsplit_once(") ").context("stat of a thread")?;
        Ok(fields.starts_with('S'))
    }

    /// Its port on another of the host's addresses, for a server that listens on all.
    #[must_use]
    pub fn at(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.address.port())
    }
}

fn accept(
    listener: &TcpListener,
    over: &Arc<PipeReader>,
    closed: &Arc<AtomicU64>,
    workers: &Workers,
) {
    let streams = Streams::new(Mutex::new(Some(Vec::new())));
    let mut threads = Vec::new();
    while waits_until_ready(listener, over).is_ok() {
        let (stream, client) = match listener.accept() {
            Ok(accepted) => accepted,
            // Whoever was there has gone again.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                ) =>
            {
                continue;
            }
            // Nobody is served any more, as every story notices that waits for an answer.
            Err(_) => break,
        };
        let (streams, closed) = (Arc::clone(&streams), Arc::clone(closed));
        let (workers, over) = (Arc::clone(workers), Arc::clone(over));
        threads.push(std::thread::spawn(move || {
            let mut workers = workers.lock().unwrap_or_else(PoisonError::into_inner);
            workers.insert(client, gettid());
            drop(workers);
            // A client that leaves early, or never asks, is part of the play.
            let asked = wait_for_word(&stream, &over);
            drop(asked.and_then(|()| serve(stream, &streams, &closed)));
        }));
    }
    shut_down(&streams);
    for thread in threads {
        drop(thread.join());
    }
}

/// Waits until the client says something; an error if the server ends before, for there is no hold on
/// the connection yet.
fn wait_for_word(stream: &TcpStream, over: &PipeReader) -> Result<()> {
    stream.set_nonblocking(false)?;
    waits_until_ready(stream, over)
}

/// Waits until there is something to accept or to read; an error if the server ends before.
fn waits_until_ready(socket: &impl AsFd, over: &PipeReader) -> Result<()> {
    let mut both = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(over.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut both, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            waited => break waited.map(drop)?,
        }
    }
    ensure!(both[1].any() == Some(false), "the server is over");
    Ok(())
}

fn serve(stream: TcpStream, streams: &Streams, closed: &AtomicU64) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let bytes = words.get(1).and_then(|word| word.parse::<usize>().ok());
    match (words.first().copied(), bytes, words.get(2)) {
        (Some("close"), Some(bytes), None) => {
            // No clone of the socket is kept anywhere: dropping these two is the close.
            SockRef::from(&stream).set_send_buffer_size(CLOSE_BUFFER_BYTES)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            skip_headers(&mut reader)?;
            drop(reader);
            answer(&stream, bytes)?;
            drop(stream);
            closed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        (Some("bytes"), Some(bytes), None) => {
            remember(&stream, streams)?;
            answer(&stream, bytes)?;
            wait_for_close(reader)
        }
        (Some("after"), Some(bytes), None) => {
            remember(&stream, streams)?;
            skip_headers(&mut reader)?;
            answer(&stream, 1_000)?;
            reader.fill_buf()?;
            write_bytes(&stream, bytes)?;
            wait_for_close(reader)
        }
        (Some("small"), None, None) => {
            remember(&stream, streams)?;
            loop {
                skip_headers(&mut reader)?;
                answer(&stream, 1_000)?;
                request.clear();
                if reader.read_line(&mut request)? == 0 {
                    return Ok(());
                }
            }
        }
        _ => Ok((&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?),
    }
}

/// Unread input would turn the close into a reset.
fn skip_headers(reader: &mut BufReader<TcpStream>) -> Result<()> {
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(())
}

/// Keeps a hold on the connection. A worker that comes too late must not begin.
fn remember(stream: &TcpStream, streams: &Streams) -> Result<()> {
    let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
    let open = streams.as_mut().context("the server is over")?;
    open.push(stream.try_clone()?);
    Ok(())
}

/// Wakes every worker that is blocked in a read or write.
fn shut_down(streams: &Streams) {
    let open = streams
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    for stream in open.into_iter().flatten() {
        drop(stream.shutdown(Shutdown::Both));
    }
}

fn answer(mut stream: &TcpStream, bytes: usize) -> Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    write_bytes(stream, bytes)
}

fn write_bytes(mut stream: &TcpStream, bytes: usize) -> Result<()> {
    let chunk = [b'x'; 65_536];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len());
        stream.write_all(&chunk[..now])?;
        left -= now;
    }
    Ok(())
}

fn wait_for_close(mut reader: BufReader<TcpStream>) -> Result<()> {
    let mut rest = [0; 1_024];
    while reader.read(&mut rest)? > 0 {}
    Ok(())
}

impl Drop for TinyServer {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}
