//! Listening sockets, set up so that a slow reader costs little.

use super::deadline::Abort;
use super::limiter::Client;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

/// Connections the kernel completes before they are accepted.
const BACKLOG: u32 = 128;
/// Kernel memory for bytes a client has not taken; the kernel doubles it for its own bookkeeping.
const SEND_BUFFER_BYTES: u32 = 256 << 10;
/// After this long without acknowledgement the kernel drops a connection and its memory,
/// also when the client keeps its window at zero.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where connections come from.
pub(crate) trait Listener: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Abort + Send + Unpin + 'static;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Client)>> + Send;
}

/// An address that is taken: nobody can connect yet.
#[derive(Debug)]
pub(crate) struct BoundTcp {
    socket: TcpSocket,
    address: SocketAddr,
}

impl BoundTcp {
    /// Binds; an IPv6 wildcard takes IPv4 too where the host says so.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Otherwise an agent that restarts would wait for connections of the last one to expire.
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address with the real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients connect from now on.
    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        self.socket.listen(BACKLOG)
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Client)> {
        let (stream, address) = TcpListener::accept(self).await?;
        let milliseconds = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        // Both only make a good thing better.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, milliseconds);
        drop(stream.set_nodelay(true));
        Ok((stream, Client::at(address.ip())))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Client)> {
        let (stream, _) = UnixListener::accept(self).await?;
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        Ok((stream, Client::User(uid)))
    }
}

#[cfg(test)]
mod tests {
    use super::BoundTcp;
    use std::io::ErrorKind;
    use std::net::TcpStream;

    #[tokio::test]
    async fn nobody_connects_before_it_listens() {
        let bound = BoundTcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.address();
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let _listener = bound.listen().unwrap();
        TcpStream::connect(address).unwrap();
    }
}
