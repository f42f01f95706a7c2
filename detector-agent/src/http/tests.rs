use super::deadline::{Abort, DeadlineStream, Progress};
use super::limits::{Limits, Refusals};
use super::listen::BoundTcp;
use super::message::{Content, Request, Response};
use super::meter::Meter;
use super::serve::{Connection, Handler, Service, serve};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// For what comes at once unless it never does, where time is not paused.
const PATIENCE: Duration = Duration::from_secs(60);

impl Abort for DuplexStream {
    fn abort(&self) {}
}

struct Pages;

impl Handler for Pages {
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let content = match request.path.as_str() {
            "/large" => Content::Whole(vec![b'x'; 1 << 20].into()),
            "/endless" => {
                let (sender, pieces) = mpsc::channel(1);
                tokio::spawn(async move {
                    while sender.send(Bytes::from_static(b"tick\n")).await.is_ok() {
                        sleep(Duration::from_secs(20)).await;
                    }
                });
                Content::EndlessPieces(pieces)
            }
            "/panic" => panic!("a handler that panics"),
            "/stuck" => std::future::pending().await,
            _ => Content::Whole(Bytes::from_static(b"hello\n")),
        };
        Response::ok("text/plain; charset=utf-8", content)
    }
}

/// A client of a connection without a network, so that time can be paused.
struct Client {
    stream: DuplexStream,
    server: JoinHandle<()>,
    refusals: Arc<Refusals>,
    _stop: watch::Sender<bool>,
}

fn connect(is_crowded: bool) -> Client {
    connect_within(Limits::WEB, is_crowded)
}

fn connect_within(limits: Limits, is_crowded: bool) -> Client {
    let (stream, served) = duplex(1 << 10);
    let refusals = Arc::new(Refusals::default());
    let progress = Progress::new(is_crowded);
    let connection = Connection {
        service: Service {
            handler: Arc::new(Pages),
            limits,
            refusals: Arc::clone(&refusals),
            meter: Arc::default(),
            access: None,
        },
        progress: progress.clone(),
        client: super::Client::User(None),
    };
    let stop = watch::Sender::new(false);
    let server = tokio::spawn(connection.run(
        DeadlineStream::new(served, progress, limits),
        stop.subscribe(),
    ));
    Client {
        stream,
        server,
        refusals,
        _stop: stop,
    }
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until the response's end is in sight; its body must not be longer than a buffer.
    async fn receive(&mut self) -> String {
        let mut text = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).await.unwrap();
            text.extend_from_slice(&buffer[..count]);
            let so_far = String::from_utf8_lossy(&text).into_owned();
            let head_end = so_far.find("\r\n\r\n");
            if count == 0 || head_end.is_some_and(|end| so_far.len() > end + 4) {
                return so_far;
            }
        }
    }

    /// Waits for the server to end the connection; gives seconds.
    async fn until_closed(self) -> f64 {
        let began = Instant::now();
        timeout(Duration::from_secs(1000), self.server)
            .await
            .expect("the server holds on to the connection")
            .unwrap();
        began.elapsed().as_secs_f64()
    }
}

fn too_slow(refusals: &Refusals) -> u64 {
    refusals.too_slow.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_and_the_connection_kept() {
    let mut client = connect(false);
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let response = client.receive().await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(
            response.contains("x-content-type-options: nosniff"),
            "{response}"
        );
        assert!(response.contains("default-src 'none'"), "{response}");
        assert!(response.ends_with("\r\n\r\nhello\n"), "{response}");
        sleep(Duration::from_secs(60)).await;
    }
    let seconds = client.until_closed().await;
    assert!((55.0..65.0).contains(&seconds), "idle for 60 + {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn where_it_is_crowded_idle_connections_end_soon() {
    let mut client = connect(true);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.receive().await;
    let seconds = client.until_closed().await;
    assert!(seconds < 3.0, "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn only_get_and_head_are_answered() {
    let mut client = connect(false);
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .await;
    let response = client.receive().await;
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
    assert!(response.contains("allow: GET, HEAD\r\n"), "{response}");
    client
        .send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let mut response = String::new();
    client.stream.read_to_string(&mut response).await.unwrap();
    assert!(response.contains("content-length: 6\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let mut client = connect(false);
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(20 << 10)
    );
    // The server may hang up before it has read everything.
    let (mut reading, mut writing) = tokio::io::split(&mut client.stream);
    let mut response = String::new();
    let (_, read) = tokio::join!(
        writing.write_all(head.as_bytes()),
        reading.read_to_string(&mut response)
    );
    read.unwrap();
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_cut() {
    let client = connect(false);
    let refusals = Arc::clone(&client.refusals);
    let seconds = client.until_closed().await;
    assert!((4.0..6.0).contains(&seconds), "{seconds} s");
    assert_eq!(too_slow(&refusals), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_cut() {
    let mut client = connect(false);
    let began = Instant::now();
    for byte in "GET / HTTP/1.1\r\nHost: x\r\n\r\n".bytes() {
        if client.stream.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let refusals = Arc::clone(&client.refusals);
    client.until_closed().await;
    assert!(began.elapsed() < Duration::from_secs(8));
    assert_eq!(too_slow(&refusals), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut() {
    let mut client = connect(false);
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let refusals = Arc::clone(&client.refusals);
    let seconds = client.until_closed().await;
    assert!((9.0..12.0).contains(&seconds), "{seconds} s");
    assert_eq!(too_slow(&refusals), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_at_a_dribble_is_cut() {
    let mut client = connect(false);
    client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let began = Instant::now();
    let mut buffer = [0; 100];
    while !client.server.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(40), "still served");
        drop(client.stream.read(&mut buffer).await);
        sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(25));
    assert_eq!(too_slow(&client.refusals), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_while_its_reader_reads() {
    let mut client = connect(false);
    client
        .send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    let began = Instant::now();
    let mut text = String::new();
    while began.elapsed() < Duration::from_secs(600) {
        let mut buffer = [0; 512];
        let count = client.stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended after {:?}", began.elapsed());
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(text.matches("tick").count() >= 30, "{text}");
    drop(client.stream);
    timeout(Duration::from_secs(60), client.server)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_or_hangs_costs_one_answer() {
    let mut client = connect(false);
    for path in ["/panic", "/stuck"] {
        client
            .send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let response = client.receive().await;
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    }
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.receive().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(client.refusals.handler_failed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn beyond_the_limit_whoever_was_waited_for_longest_makes_room() {
    let bound = BoundTcp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = bound.address();
    let listener = bound.listen().unwrap();
    let limits = Limits {
        connections: 2,
        // Nobody is let go for being idle while another one connects.
        crowded_idle_timeout: PATIENCE,
        ..Limits::WEB
    };
    let refusals = Arc::new(Refusals::default());
    let meter = Arc::new(Meter::default());
    let stop = watch::Sender::new(false);
    let server = tokio::spawn(serve(
        listener,
        Service {
            handler: Arc::new(Pages),
            limits,
            refusals: Arc::clone(&refusals),
            meter: Arc::clone(&meter),
            access: None,
        },
        stop.subscribe(),
    ));
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let ask = async |stream: &mut TcpStream| {
        stream.write_all(request).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\nhello\n") {
            let count = stream.read_buf(&mut response).await.unwrap();
            assert!(count > 0, "ended after {response:?}");
        }
    };
    // Of what answering takes, what nobody makes an answer for counts, too.
    let mut wrong = TcpStream::connect(address).await.unwrap();
    let refused = b"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    wrong.write_all(refused).await.unwrap();
    wrong.read_to_end(&mut Vec::new()).await.unwrap();
    assert!(meter.used() > Duration::ZERO);
    let mut oldest = TcpStream::connect(address).await.unwrap();
    ask(&mut oldest).await;
    let mut other = TcpStream::connect(address).await.unwrap();
    ask(&mut other).await;
    let mut newcomer = TcpStream::connect(address).await.unwrap();
    ask(&mut newcomer).await;
    ask(&mut other).await;
    // An end or a reset.
    let rest = timeout(PATIENCE, oldest.read(&mut [0; 1])).await;
    assert!(matches!(rest.unwrap(), Ok(0) | Err(_)));
    assert_eq!(refusals.over_limit.load(Ordering::Relaxed), 1);
    stop.send_replace(true);
    timeout(PATIENCE, server).await.unwrap().unwrap();
}

/// Takes bodies of at most 16 bytes.
const TAKING: Limits = Limits {
    body_bytes: 16,
    ..Limits::WEB
};

#[tokio::test(start_paused = true)]
async fn a_post_is_taken_where_bodies_are_and_refused_elsewhere() {
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = connect(false);
    client.send(post).await;
    let response = client.receive().await;
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
    assert!(response.contains("allow: GET, HEAD\r\n"), "{response}");
    let mut client = connect_within(TAKING, false);
    for _ in 0..2 {
        client.send(post).await;
        let response = client.receive().await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused_however_it_is_sent() {
    for request in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n01234567890123456",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         9\r\n012345678\r\n9\r\n012345678\r\n0\r\n\r\n",
    ] {
        let mut client = connect_within(TAKING, false);
        client.send(request).await;
        let response = client.receive().await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let began = Instant::now();
    let mut client = connect_within(TAKING, false);
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
        .await;
    let response = client.receive().await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert_eq!(began.elapsed().as_secs(), TAKING.head_timeout.as_secs());
    assert_eq!(too_slow(&client.refusals), 1);
}
