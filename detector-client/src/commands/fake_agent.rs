//! An agent that says what a test has it say.

use detector_api::defaults::AGENT_VERSION_HEADER;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Answers on a socket until it is dropped.
pub(super) struct FakeAgent {
    socket: PathBuf,
    _folder: TempDir,
}

impl FakeAgent {
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Answers each request for this path and query with this status and body.
pub(super) fn answering(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> FakeAgent {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // It ends with the process of the tests.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), &answer);
        }
    });
    FakeAgent {
        socket,
        _folder: folder,
    }
}

fn serve(mut stream: UnixStream, answer: impl Fn(&str) -> (u16, String)) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let head = lines.take_while(|line| !line.is_empty());
    // All of it is read, or the answer would be cut off.
    head.for_each(drop);
    let (status, body) = answer(request.split(' ').nth(1).unwrap_or_default());
    let version = env!("CARGO_PKG_VERSION");
    let answer = format!(
        "HTTP/1.1 {status} x\r\n{AGENT_VERSION_HEADER}: {version}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).unwrap();
}
