//! Crafted peers in numbers: a load for benches, behind a TUN device in the namespace it is started in.
//!
//! `storm FILE DEVICE NETWORK SERVER:PORT MODE [NUMBER…]`, where peers have the addresses of NETWORK (a
//! `/9`, the first address is the device's own) and the server offers `/huge`, more than it can ever send:
//!
//! - `stall CONNECTIONS PEERS`: asks, closes the window, keeps it closed;
//! - `visit PEERS`: each asks, closes the window once, and resets;
//! - `tease`: one connection whose window is 1, 0, 1, 0, … as fast as it goes;
//! - `shrink`: one connection that takes back window with each acknowledgement, as fast as it goes;
//! - `probe EVERY_MS`: one connection after another, of a peer each, that takes back window below data
//!   in flight; a line `PEER NANOSECONDS` (since 1970) of FILE says when.
//!
//! Prints `ready: …` on stderr once the load stands (`visit`: once it is over), ends with its input,
//! and then writes to FILE what it has done: `segments N`, `shrinks N`, `episodes N`.

mod connection;

use anyhow::{Context, Result, bail, ensure};
use connection::{Arrival, Storm};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

const FULL_WINDOW: u16 = 65_535;
/// Segments between two looks at what the server sends.
const BURST: u32 = 64;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().with_context(|| format!("no {what}"));
    let mut out = File::create(next("file")?).context("make the file")?;
    let (device, network) = (next("device")?, next("network")?);
    let (server, mode) = (next("server")?, next("mode")?);
    let mut storm = Storm::new(&device, network.parse()?, server.parse()?)?;
    let mut number = |what: &str| -> Result<u32> { Ok(next(what)?.parse()?) };
    match mode.as_str() {
        "stall" => storm.stall(number("number of connections")?, number("number of peers")?),
        "visit" => storm.visit(number("number of peers")?),
        "tease" => storm.tease(),
        "shrink" => storm.shrink(),
        "probe" => storm.probe(number("period")?, &mut out),
        _ => bail!("no mode {mode}"),
    }?;
    storm.reset_all()?;
    writeln!(out, "segments {}", storm.sent)?;
    writeln!(out, "shrinks {}", storm.shrinks)?;
    writeln!(out, "episodes {}", storm.episodes)?;
    Ok(())
}

impl Storm {
    fn stall(&mut self, connections: u32, peers: u32) -> Result<()> {
        let began = Instant::now();
        self.open(
            connections,
            |number| (number % peers, 10_000 + number / peers),
            Self::close_window,
        )?;
        let took = began.elapsed().as_secs_f64();
        self.say_ready(&format!("all windows are closed, in {took:.1} s"))?;
        while !self.is_over() {
            if let Some(Arrival::More(connection)) = self.receive(100)? {
                self.acknowledge(&connection, connection.rcv_nxt, 0)?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, peers: u32) -> Result<()> {
        let began = Instant::now();
        self.open(
            peers,
            |number| (number, 10_000),
            |storm, connection| {
                storm.close_window(connection)?;
                storm.reset(connection)
            },
        )?;
        let took = began.elapsed().as_secs_f64();
        self.say_ready(&format!("all have been there, in {took:.1} s"))?;
        while !self.is_over() {
            self.receive(100)?;
        }
        Ok(())
    }

    fn tease(&mut self) -> Result<()> {
        let connection = self.open_one(0)?;
        self.close_window(&connection)?;
        let packets = [1, 0].map(|window| self.packet(&connection, connection.rcv_nxt, window));
        let [open, closed] = packets;
        let (open, closed) = (open?, closed?);
        self.say_ready("teasing")?;
        while !self.is_over() {
            for _ in 0..BURST {
                self.tun.send(&open)?;
                self.tun.send(&closed)?;
            }
            self.sent += u64::from(2 * BURST);
            // A window below one segment ends no episode.
            self.shrinks += u64::from(BURST);
            while self.receive(0)?.is_some() {}
        }
        Ok(())
    }

    /// Each acknowledgement takes one byte more and two from the window; once all that came is
    /// acknowledged, or nothing is left of the window, it opens again.
    fn shrink(&mut self) -> Result<()> {
        let mut connection = self.open_one(0)?;
        let mut ack = connection.data_begin;
        let mut window = 0;
        self.say_ready("shrinking")?;
        while !self.is_over() {
            if window < 4 || ack == connection.rcv_nxt {
                window = FULL_WINDOW;
                self.acknowledge(&connection, ack, window)?;
                // Until the server has sent what it may.
                let mut patience_ms = 1_000;
                while let Some(arrival) = self.receive(patience_ms)? {
                    if let Arrival::More(newer) | Arrival::Full(newer) = arrival {
                        connection = newer;
                        patience_ms = 1;
                    }
                }
                ensure!(ack != connection.rcv_nxt, "the server sends no more");
            }
            ack = ack.wrapping_add(1);
            window -= 2;
            self.acknowledge(&connection, ack, window)?;
            self.shrinks += 1;
        }
        Ok(())
    }

    fn probe(&mut self, every_ms: u32, out: &mut File) -> Result<()> {
        self.say_ready("probing")?;
        let mut number = 0;
        while !self.is_over() {
            let began = Instant::now();
            let connection = self.open_one(number)?;
            number += 1;
            let packet = self.packet(&connection, connection.data_begin, 0)?;
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            self.tun.send(&packet)?;
            writeln!(out, "{} {}", connection.local.ip(), now.as_nanos())?;
            self.sent += 1;
            self.shrinks += 1;
            self.episodes += 1;
            let every = Duration::from_millis(every_ms.into());
            std::thread::sleep(every.saturating_sub(began.elapsed()));
            self.reset(&connection)?;
        }
        Ok(())
    }
}
