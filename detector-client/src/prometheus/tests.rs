//! URLs, and answers of servers that are a Prometheus or are none.

use super::rows::PEERS;
use super::{COLUMNS, Prometheus, ask_all, known_json};
use crate::columns::Row as _;
use detector_api::row::PeerRow;
use detector_api::snapshot::Verdict;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn urls() {
    for (url, expected) in [
        ("http://prom:9090", "http://prom:9090"),
        ("http://prom:9090/", "http://prom:9090"),
        ("http://[::1]:9090/a/b/", "http://[::1]:9090/a/b"),
        ("http://prom", "http://prom:80"),
        ("http://[::1]", "http://[::1]:80"),
    ] {
        let prometheus: Prometheus = url.parse().unwrap();
        assert_eq!(prometheus.to_string(), expected);
    }
    for url in [
        "",
        "prom:9090",
        "https://prom",
        "http://",
        "http://user:word@prom",
        "http://prom/?query=1",
        "http://prom\r\nX: y",
        "ftp://prom",
    ] {
        url.parse::<Prometheus>().unwrap_err();
    }
}

#[test]
fn columns_exist() {
    for key in COLUMNS {
        assert!(PeerRow::column(key).is_some(), "{key}");
    }
}

/// Answers each question on one connection with what `answer` makes of it, for as long as somebody asks.
fn serve(answer: fn(&str) -> String) -> Prometheus {
    serve_with("200 OK", answer)
}

/// The same with this status.
fn serve_with(status: &'static str, answer: fn(&str) -> String) -> Prometheus {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            asked.extend_from_slice(&buffer[..count]);
            if !asked.ends_with(b"\r\n\r\n") {
                continue;
            }
            let text = String::from_utf8(std::mem::take(&mut asked)).unwrap();
            let body = answer(text.lines().next().unwrap());
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    });
    format!("http://{address}/prefix").parse().unwrap()
}

fn samples(samples: &[(&str, &str, &str)]) -> String {
    let samples: Vec<_> = samples
        .iter()
        .map(|(peer, verdict, value)| {
            json!({ "metric": { "peer": peer, "verdict": verdict, "cause": "loss" }, "value": [1.5, value] })
        })
        .collect();
    json!({ "status": "success", "data": { "resultType": "vector", "result": samples } })
        .to_string()
}

fn of_two_peers(line: &str) -> String {
    assert!(
        line.starts_with("GET /prefix/api/v1/query?query="),
        "{line}"
    );
    let asks = |part: &str| line.contains(part);
    if asks("build_info") {
        return samples(&[("", "", "3")]);
    }
    if asks("tcp_memory_limit") {
        return samples(&[("", "", "1000")]);
    }
    if asks("detector_peer_flagged") {
        return samples(&[
            ("198.51.100.7", "slow-client", "1"),
            ("198.51.100.7", "zero-window-attack", "1"),
            ("203.0.113.1", "of-another-version", "1"),
        ]);
    }
    if asks("detector_peer_pinned_bytes") {
        return samples(&[
            ("203.0.113.1", "", "10"),
            ("198.51.100.7", "", "4220292"),
            ("other", "", "99"),
            ("\u{1b}[31m", "", "1"),
            ("192.0.2.1", "", "NaN"),
        ]);
    }
    if asks("count%20by") {
        return samples(&[("198.51.100.7", "", "2")]);
    }
    samples(&[])
}

#[tokio::test]
async fn peers_are_put_together_and_the_most_costly_comes_first() {
    let fleet = ask_all(&serve(of_two_peers)).await.unwrap();
    assert_eq!(fleet.hosts, 3);
    let names: Vec<_> = fleet
        .peers
        .iter()
        .map(|row| row.peer.peer.as_str())
        .collect();
    assert_eq!(names, ["198.51.100.7", "203.0.113.1", "\u{fffd}[31m"]);
    let first = &fleet.peers[0];
    assert_eq!(first.hosts, Some(2));
    assert_eq!(first.peer.verdict, Some(Verdict::ZeroWindowAttack));
    assert_eq!(fleet.peers[1].peer.verdict, None);
    let json = known_json(first).unwrap();
    assert_eq!(json["pinned_bytes"], 4_220_292);
    // What is not known is not said to be nothing.
    assert_eq!(json.get("processes"), None);
    assert_eq!(json.get("longest_stall_seconds"), None);
}

#[tokio::test]
async fn what_is_no_prometheus_is_named_with_the_reason() {
    let refusing = |_: &str| json!({ "status": "error", "error": "query timed out" }).to_string();
    let error = ask_all(&serve(refusing)).await.unwrap_err().to_string();
    assert!(error.ends_with("/prefix: query timed out"), "{error}");
    let other = |_: &str| "<html>".to_owned();
    let error = ask_all(&serve(other)).await.unwrap_err().to_string();
    assert!(error.contains("is not that of a Prometheus"), "{error}");
    // Nobody listens on a port that was just let go of.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = ask_all(&url.parse().unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn an_old_server_is_quoted() {
    let refusing = |_: &str| {
        json!({ "status": "error", "errorType": "bad_data", "error": "parse error: unknown function" })
            .to_string()
    };
    let old = serve_with("400 Bad Request", refusing);
    let error = ask_all(&old).await.unwrap_err().to_string();
    assert!(
        error.ends_with("status 400 Bad Request: parse error: unknown function"),
        "{error}"
    );
    // Before its API had a version, there was no such page.
    let older = serve_with("404 Not Found", |_| "404 page not found".to_owned());
    let error = ask_all(&older).await.unwrap_err().to_string();
    assert!(
        error.contains("status 404 Not Found: its answer is not that of a Prometheus"),
        "{error}"
    );
}

/// Whoever answers in place of a Prometheus may have another peer in each line of each answer.
#[tokio::test]
async fn no_more_peers_are_taken_of_all_answers_together_than_there_is_room_for() {
    fn answer(line: &str, of_each: usize) -> String {
        let asked = line.len();
        let series = |number| {
            format!(r#"{{"metric":{{"peer":"{asked}-{number}","x":"y"}},"value":[1,"1"]}}"#)
        };
        let series: Vec<_> = (0..of_each).map(series).collect();
        format!(r#"{{"data":{{"result":[{}]}}}}"#, series.join(","))
    }
    let error = ask_all(&serve(|line| answer(line, PEERS / 4))).await;
    let error = error.map(|fleet| fleet.peers.len()).unwrap_err();
    let error = error.to_string();
    assert!(error.ends_with("it has more than 100000 peers"), "{error}");
    // What is no name of a peer is none.
    let long = |_: &str| samples(&[(&"1".repeat(65), "", "1"), ("198.51.100.7", "", "1")]);
    let fleet = ask_all(&serve(long)).await.unwrap();
    assert_eq!(fleet.peers.len(), 1);
}
