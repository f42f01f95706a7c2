//! Real kernel sockets in the client namespace that read, read slowly, or stop reading.

use crate::expect::PATIENCE;
use crate::network::Namespace;
use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A connected kernel socket that does nothing by itself.
#[derive(Debug)]
pub struct KernelPeer {
    stream: TcpStream,
}

impl KernelPeer {
    /// Connects from `namespace` with the default receive buffer.
    pub fn connect(namespace: &Namespace, server: SocketAddr) -> Result<Self> {
        Self::connect_with(namespace, None, server, None)
    }

    /// Connects from `source`, if given, with a receive buffer of `receive_buffer` bytes (the
    /// kernel doubles it), if given.
    pub fn connect_with(
        namespace: &Namespace,
        source: Option<SocketAddr>,
        server: SocketAddr,
        receive_buffer: Option<usize>,
    ) -> Result<Self> {
        Self::open(namespace, Protocol::TCP, source, server, receive_buffer)
    }

    /// Connects from `source` by MPTCP.
    pub fn connect_mptcp(
        namespace: &Namespace,
        source: SocketAddr,
        server: SocketAddr,
    ) -> Result<Self> {
        Self::open(namespace, Protocol::MPTCP, Some(source), server, None)
    }

    fn open(
        namespace: &Namespace,
        protocol: Protocol,
        source: Option<SocketAddr>,
        server: SocketAddr,
        receive_buffer: Option<usize>,
    ) -> Result<Self> {
        let stream = namespace
            .enter(|| {
                let domain = Domain::for_address(server);
                let socket = Socket::new(domain, Type::STREAM, Some(protocol))?;
                if let Some(bytes) = receive_buffer {
                    socket.set_recv_buffer_size(bytes)?;
                }
                if let Some(source) = source {
                    socket.bind(&source.into())?;
                }
                socket.connect_timeout(&server.into(), PATIENCE)?;
                Ok(TcpStream::from(socket))
            })
            .with_context(|| format!("connect to {server}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Asks for `path` by HTTP/1.1.
    pub fn request(&mut self, path: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n");
        self.stream
            .write_all(request.as_bytes())
            .context("send the request")
    }

    /// Sends these bytes; the segment carries the window of this moment.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("send")
    }

    /// Reads exactly `bytes`.
    pub fn read(&mut self, bytes: usize) -> Result<()> {
        let mut left = bytes;
        let mut buffer = vec![0; 65_536];
        while left > 0 {
            let wanted = left.min(buffer.len());
            let got = read(&mut self.stream, &mut buffer[..wanted]).context("read")?;
            ensure!(got > 0, "the server ended {left} bytes early");
            left -= got;
        }
        Ok(())
    }

    /// Reads to the end of the stream and returns how many bytes came.
    pub fn read_to_end(&mut self) -> Result<u64> {
        let mut sink = std::io::sink();
        std::io::copy(&mut self.stream, &mut sink).context("read to the end")
    }

    /// Sends FIN; the peer may still read.
    pub fn shutdown_write(&self) -> Result<()> {
        self.stream
            .shutdown(Shutdown::Write)
            .context("shut down writing")
    }

    /// Makes the receive buffer `bytes` large (the kernel doubles it) in the middle of things.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<()> {
        socket2::SockRef::from(&self.stream)
            .set_recv_buffer_size(bytes)
            .context("set the receive buffer")
    }

    /// Its own address.
    pub fn address(&self) -> Result<SocketAddr> {
        self.stream.local_addr().context("own address")
    }

    /// Reads `bytes` every `pause` from now on, in the background.
    pub fn read_slowly(self, bytes: usize, pause: Duration) -> SlowReader {
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut stream = self.stream;
            let mut buffer = vec![0; bytes];
            while !flag.load(Ordering::Relaxed) {
                // The end of the stream and a reset both end the reader, as a user would.
                if !matches!(read(&mut stream, &mut buffer), Ok(1..)) {
                    return;
                }
                std::thread::sleep(pause);
            }
        });
        SlowReader {
            is_over,
            thread: Some(thread),
        }
    }
}

/// A read with a timeout is not taken up again by the kernel when something interrupts it.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A peer that reads a little at a time until dropped.
#[derive(Debug)]
pub struct SlowReader {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowReader {
    /// Whether it still reads: nobody has ended its connection.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        let thread = self.thread.as_ref();
        thread.is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for SlowReader {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
