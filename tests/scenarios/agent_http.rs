//! The agent must survive what it watches for: clients that never finish a request, never read the
//! answer, or send too much cannot hold it, on the web port and on the control socket.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, request, write_and_read};
use detector_tests::expect;
use detector_tests::hostile::{self, Plan};
use detector_tests::lab::Family;
use detector_tests::story::{Story, in_folder};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn unfinished_requests_hold_nobody_and_are_closed() -> Result<()> {
    in_folder("http-unfinished", |folder| {
        let agent = Agent::start(folder)?;
        let come = || {
            let mut stream = agent.dial()?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a")?;
            Ok(stream)
        };
        let crowd = || (0..40).map(|_| come()).collect();
        let held = ask_beside(&agent, "web", crowd, || agent.metrics())?;
        for mut stream in held {
            wait_for_end(&mut stream).context("an unfinished request is never given up")?;
        }
        agent.metrics().map(drop)
    })
}

#[test]
fn crowd_of_unfinished_requests_passes() -> Result<()> {
    in_folder("http-crowd", |folder| {
        let agent = Agent::start(folder)?;
        let mut held = Vec::new();
        for _ in 0..300 {
            let mut stream = agent.dial()?;
            // Those beyond the limit are closed at once, perhaps before this.
            stream.write_all(b"GET ").ok();
            held.push(stream);
        }
        agent
            .peers()
            .context("the control socket has room of its own")?;
        expect::until("a scrape gets through", PATIENCE, || {
            let answer = agent
                .dial()
                .and_then(|stream| request(stream, "GET", "/metrics"));
            Ok(answer
                .ok()
                .filter(|response| response.status == 200)
                .map(drop))
        })
    })
}

#[test]
fn request_sent_byte_by_byte_is_given_up() -> Result<()> {
    in_folder("http-trickle", |folder| {
        let agent = Agent::start(folder)?;
        let began = Instant::now();
        let mut stream = agent.dial()?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\n")?;
        // One byte after each patient look: progress must not buy time without end.
        let mut byte = [0];
        loop {
            match stream.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => return wait_for_end(&mut stream),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "still open after {:?}",
                began.elapsed()
            );
            if stream.write_all(b"x").is_err() {
                break;
            }
        }
        agent.metrics().map(drop)
    })
}

#[test]
fn clients_that_do_not_read_hold_nobody() -> Result<()> {
    in_folder("http-unread", |folder| {
        let agent = Agent::start(folder)?;
        let come = || {
            let mut stream = agent.dial()?;
            SockRef::from(&stream).set_recv_buffer_size(1)?;
            for _ in 0..20 {
                // A later request may meet a closed connection: that is an answer, too.
                if stream
                    .write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
                    .is_err()
                {
                    break;
                }
            }
            Ok(stream)
        };
        let crowd = || (0..40).map(|_| come()).collect();
        let held = ask_beside(&agent, "web", crowd, || agent.metrics())?;
        drop(held);
        agent.metrics().map(drop)
    })
}

#[test]
fn clients_that_keep_coming_and_never_read_hold_nobody() -> Result<()> {
    in_folder("http-unread-crowd", |folder| {
        const CLIENTS: u32 = 200;
        const PAUSE: Duration = Duration::from_millis(25);
        let agent = Agent::start(folder)?;
        let web = agent.web();
        let crowd = thread::spawn(move || {
            let come = |_| {
                thread::sleep(PAUSE);
                never_read(web)
            };
            (0..CLIENTS).map(come).collect::<Result<Vec<_>>>()
        });
        let mut answers = 0;
        while !crowd.is_finished() {
            let health = agent.web_request("GET", "/healthz")?;
            ensure!(health.status == 200, "/healthz: {health:?}");
            answers += 1;
            thread::sleep(PAUSE);
        }
        let held = crowd.join().expect("the crowd does not panic")?;
        // One that had to wait for the crowd would be the only one.
        ensure!(answers >= 5, "{answers} answers while they came");
        let labels = [("listener", "web"), ("reason", "over_limit")];
        let cut = agent
            .metrics()?
            .value("detector_http_refusals_total", &labels)?;
        ensure!(cut > 100.0, "{cut} of {} were cut", held.len());
        Ok(())
    })
}

#[test]
fn control_socket_is_as_patient_as_the_web_port() -> Result<()> {
    in_folder("http-control", |folder| {
        let agent = Agent::start(folder)?;
        let come = || {
            let mut stream = UnixStream::connect(agent.control_socket())?;
            stream.write_all(b"GET /v1/peers HT")?;
            Ok(stream)
        };
        let crowd = || (0..20).map(|_| come()).collect();
        let held = ask_beside(&agent, "control", crowd, || agent.peers())?;
        for mut stream in held {
            stream.set_read_timeout(Some(PATIENCE))?;
            wait_for_end(&mut stream)?;
        }
        Ok(())
    })
}

#[test]
fn wrong_requests_get_an_answer_that_says_so() -> Result<()> {
    in_folder("http-wrong", |folder| {
        let agent = Agent::start(folder)?;
        let post = agent.web_request("POST", "/metrics")?;
        ensure!(post.status == 405, "POST: {}", post.status);
        let control = request(
            UnixStream::connect(agent.control_socket())?,
            "POST",
            "/v1/peers",
        )?;
        ensure!(
            control.status == 405,
            "POST on the control socket: {}",
            control.status
        );
        ensure!(agent.web_request("GET", "/nothing-here")?.status == 404);
        ensure!(agent.get("/v1/peers/192.0.2.1")?.status == 404);
        let head = agent.web_request("HEAD", "/metrics")?;
        ensure!(head.status == 200 && head.body.is_empty(), "HEAD: {head:?}");
        ensure!(agent.web_request("GET", "/")?.status == 200);

        let garbage = write_and_read(agent.dial()?, b"\x16\x03\x01\x02\x00\x01\r\n\r\n")?;
        ensure!(garbage.status == 400, "garbage: {}", garbage.status);
        let large = format!(
            "GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n",
            "x".repeat(100_000)
        );
        // The agent may close before it has read all of it: a reset is an answer, too.
        if let Ok(refused) = write_and_read(agent.dial()?, large.as_bytes()) {
            ensure!(
                [400, 431].contains(&refused.status),
                "large header: {}",
                refused.status
            );
        }
        let medium = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
        let refused = write_and_read(agent.dial()?, medium.as_bytes())?;
        ensure!(
            [400, 431].contains(&refused.status),
            "larger header: {}",
            refused.status
        );
        agent.metrics().map(drop)
    })
}

/// The short form of `cargo xtask chaos --requests`, which also bounds how long a scrape may take. Here other
/// stories are played beside it, so that a scrape is held against the requests of the same run: it may take as long
/// as forty of those, and not until slow clients are given up.
#[test]
fn wrong_requests_beside_slow_clients_leave_it_well() -> Result<()> {
    Story::play("http-hostile", Family::V4, |story| {
        let options = AgentOptions::with("[detect]\nscope = \"container\"\n");
        let agent = Agent::start_in_with(story.server(), story.folder(), &options)?;
        let plan = Plan {
            requests: 4_000,
            slow_clients: 400,
            seed: 1,
        };
        let outcome = story.server().enter(|| hostile::play(&agent, plan))?;
        let (half, each) = (outcome.scraped_within(50), outcome.took_each());
        ensure!(half < each * 40, "{half:?}, a request {each:?}: {outcome}");
        ensure!(outcome.grown_kib < 64 << 10, "{outcome}");
        ensure!(outcome.returned > 0, "{outcome}");
        Ok(())
    })
}

/// Asks for more than all buffers take, and takes nothing.
fn never_read(web: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(web), Type::STREAM, None)?;
    socket.set_recv_buffer_size(1)?;
    socket.connect(&web.into())?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(&b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200))?;
    Ok(stream)
}

/// Has bad clients come to a listener and asks it beside them, until it answers before any of them
/// was given up: the answer waited for none. Gives these clients, still held.
fn ask_beside<S, T>(
    agent: &Agent,
    listener: &str,
    come: impl Fn() -> Result<Vec<S>>,
    ask: impl Fn() -> Result<T>,
) -> Result<Vec<S>> {
    let given_up = || {
        let labels = [("listener", listener), ("reason", "too_slow")];
        let metrics = agent.metrics()?;
        metrics.value("detector_http_refusals_total", &labels)
    };
    expect::until("an answer beside bad clients", PATIENCE, || {
        let before = given_up()?;
        let held = come()?;
        ask().context("ask beside bad clients")?;
        Ok((given_up()? <= before).then_some(held))
    })
}

/// Reads until the agent closes; a reset is an end as well.
fn wait_for_end(stream: &mut impl Read) -> Result<()> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            Err(error).context("the connection stays open")
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
