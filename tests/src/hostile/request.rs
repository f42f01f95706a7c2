//! Requests that are nearly right, and such that never were.

use crate::dice::Dice;

const OF_WEB: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\n\r\n",
    "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "GET /readyz?a=b HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uOnJpZ2h0\r\n\r\n",
    "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
];

const OF_CONTROL: &[&str] = &[
    "GET /v1/status HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/host HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/peers?limit=10 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/peers/2001:db8::%2F64 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/connections?limit=0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/events?since=2026-12-29T21:00:00%2B01:00&kind=dribble&after=7 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/events?follow=1&peer=203.0.113.0/24 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/incidents/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /v1/blocked HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// Path and body of what is sent to make it act.
const ACTIONS: &[(&str, &str)] = &[
    (
        "/v1/block",
        r#"{"network": "203.0.113.7/32", "for_seconds": 60, "dry_run": true}"#,
    ),
    (
        "/v1/unblock",
        r#"{"network": "2001:db8::/64", "dry_run": true}"#,
    ),
    (
        "/v1/reset",
        r#"{"peer": "203.0.113.7", "stalled_for_seconds": 30, "only": [{"remote": "203.0.113.7:1", "netns": 1}]}"#,
    ),
];

/// What is apt to be taken wrongly.
const TOKENS: &[&str] = &[
    "\0",
    "\r\n",
    "\r\n\r\n",
    "\n",
    " ",
    "\t",
    "%",
    "%00",
    "%2e%2e%2f",
    "../../../../etc/passwd",
    "\u{1b}[2J",
    "\u{202e}",
    "é",
    "?&&==&",
    "#",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF1\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 0\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "Connection: Upgrade, HTTP2-Settings\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\u{16}\u{3}\u{1}\u{2}\0\u{1}",
    "HTTP/9.9",
    "CONNECT a:1 HTTP/1.1\r\n",
    "99999999999999999999999999",
    "-1",
    "1e999",
    "NaN",
    "null",
    "\"",
    "\\ud800",
    "{\"a\":",
    "::ffff:0.0.0.0/0",
    "0.0.0.0/0",
    "fe80::1%eth0",
];

/// Those for one listener.
pub(super) struct Requests {
    seeds: &'static [&'static str],
    acts: bool,
}

impl Requests {
    pub(super) const fn of(is_control: bool) -> Self {
        let seeds = if is_control { OF_CONTROL } else { OF_WEB };
        Self {
            seeds,
            acts: is_control,
        }
    }

    /// One request, or what is meant to pass for one.
    pub(super) fn one(&self, dice: &mut Dice) -> Vec<u8> {
        match dice.below(32) {
            0 => (0..dice.below(600))
                .map(|_| dice.below(256).to_le_bytes()[0])
                .collect(),
            // As they are: a stranger's request may be right.
            1 => one_of(dice, self.seeds).as_bytes().to_vec(),
            2 => {
                let mut bytes = one_of(dice, self.seeds).as_bytes().to_vec();
                let many = one_of(dice, &["[", "{\"a\":", "x", "A: b\r\n", "%41", "&a=b"]);
                let at = dice.index(bytes.len());
                let times = dice.index(4_000);
                bytes.splice(at..at, many.repeat(times).into_bytes());
                bytes
            }
            3..=12 if self.acts => action(dice),
            _ => {
                let seed = one_of(dice, self.seeds);
                mutated(seed.as_bytes(), dice)
            }
        }
    }
}

fn one_of(dice: &mut Dice, these: &[&'static str]) -> &'static str {
    these[dice.index(these.len())]
}

/// A body that is wrong in a frame that is right, mostly.
fn action(dice: &mut Dice) -> Vec<u8> {
    let (path, body) = ACTIONS[dice.index(ACTIONS.len())];
    let body = mutated(body.as_bytes(), dice);
    let length = body.len();
    let mut bytes =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend(body);
    if dice.below(8) == 0 {
        return mutated(&bytes, dice);
    }
    bytes
}

fn mutated(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.index(bytes.len() + 1);
        let end = at + dice.index(bytes.len() - at + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            _ => {
                let token = one_of(dice, TOKENS);
                bytes.splice(at..at, token.bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::Requests;
    use crate::dice::Dice;

    #[test]
    fn a_run_can_be_played_again_and_no_request_is_like_the_last() {
        for is_control in [false, true] {
            let requests = Requests::of(is_control);
            let played = || {
                let mut dice = Dice::new(7, 0);
                let all: Vec<_> = (0..10_000).map(|_| requests.one(&mut dice)).collect();
                all
            };
            let mut all = played();
            assert_eq!(all, played());
            all.sort_unstable();
            all.dedup();
            assert!(all.len() > 8_000, "{} are different", all.len());
        }
    }
}
