//! Listening sockets, set up so that a slow reader costs little.

use super::deadline::Abort;
use super::limiter::Client;
use socket2::{SockFilter, SockRef};
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

/// `BPF_RET | BPF_K`: so many bytes of a segment pass.
const RETURN_CONSTANT: u16 = 0x06;

/// Where connections come from.
pub(crate) trait Listener: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Abort + Send + Unpin + 'static;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Client)>> + Send;
}

/// An address that is taken: nobody else can listen there, and nobody is let in yet.
#[derive(Debug)]
pub(crate) struct BoundTcp {
    listener: TcpListener,
    address: SocketAddr,
    /// Whether whatever comes to it is dropped. Some kernels ask for CAP_NET_ADMIN for that; without,
    /// connections wait until they are accepted.
    drops_all: bool,
}

impl BoundTcp {
    /// Binds; an IPv6 wildcard takes IPv4 too where the host says so.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Otherwise an agent that restarts would wait for connections of the last one to expire. Until one
        // listens, others that say so may bind, too, and listen first: so it does at once, and lets in nobody.
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind(address)?;
        let nothing_passes = SockFilter::new(RETURN_CONSTANT, 0, 0, 0);
        let drops_all = match SockRef::from(&socket).attach_filter(&[nothing_passes]) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            attached => attached.map(|()| true)?,
        };
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            drops_all,
        })
    }

    /// The address with the real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients connect from now on.
    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        if self.drops_all {
            SockRef::from(&self.listener).detach_filter()?;
        }
        Ok(self.listener)
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
    use crate::capability::{Capability, has};
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::time::Duration;
    use tokio::net::TcpSocket;

    #[tokio::test]
    async fn nobody_connects_before_it_listens() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let bound = BoundTcp::bind(address.parse().unwrap()).unwrap();
            let address = bound.address();
            let short = Duration::from_millis(200);
            let connected = TcpStream::connect_timeout(&address, short);
            let kind = connected.as_ref().err().map(std::io::Error::kind);
            assert_eq!(kind, bound.drops_all.then_some(ErrorKind::TimedOut));
            assert!(bound.drops_all || !has(Capability::NetAdmin));
            let _listener = bound.listen().unwrap();
            TcpStream::connect(address).unwrap();
        }
    }

    #[tokio::test]
    async fn nobody_else_listens_there_from_the_moment_that_it_is_bound() {
        let bound = BoundTcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let other = TcpSocket::new_v4().unwrap();
        other.set_reuseaddr(true).unwrap();
        let taken = other.bind(bound.address()).map(|()| other.listen(1));
        let taken = taken.and_then(|listened| listened.map(drop)).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        bound.listen().unwrap();
    }
}
