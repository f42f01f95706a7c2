//! Keeps how connections of addresses have ended, whoever else comes and over a restart, of the agent or of
//! the host: each hour it is chosen whose past stays ([`History::choose`]), and all of it written to a file in
//! the state directory, as when the agent stops.
//!
//! At night a balancer may carry nothing but paused readers: an agent that was started an hour ago would
//! take it for one of them.

use crate::clock;
use crate::kernel::History;
use crate::state::AgentState;
use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, SPANS};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "history.json";
/// Written under this name at first, so that a crash leaves the file of before.
const UNFINISHED: &str = "history.json.new";
/// Of the file's form.
const VERSION: u32 = 1;
/// More than a full table comes to.
const BYTES_MAX: u64 = 16 << 20;
const EACH: Duration = Duration::from_secs(3_600);
/// For a disk that does not answer when the agent stops.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
const SECOND_NS: i128 = 1_000_000_000;

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// How addresses of IPv6 are cut.
    ipv6_prefix: u8,
    addresses: Vec<KeptAddress>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptAddress {
    address: IpAddr,
    spans: Vec<KeptSpan>,
}

/// How many connections ended in three hours.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptSpan {
    /// When they began, in seconds of Unix time.
    began: i64,
    ended_well: u32,
    ended_early: u32,
}

/// Takes over what is kept, then keeps what there is, until the agent stops.
pub(super) async fn keep(state: Arc<AgentState>, folder: PathBuf, ipv6_prefix: u8) {
    let Some(history) = state.history() else {
        return;
    };
    let mut stop = state.watch_stop();
    let keeper = Arc::new(Keeper {
        history,
        folder,
        ipv6_prefix,
    });
    run(&keeper, Keeper::restore).await;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EACH) => run(&keeper, Keeper::renew).await,
            () = async { drop(stop.wait_for(|stops| *stops).await) } => break,
        }
    }
    let written = run(&keeper, Keeper::write);
    if tokio::time::timeout(STOP_PATIENCE, written).await.is_err() {
        tracing::warn!("the disk does not answer: {FILE} may be an hour old");
    }
}

/// Where reading and writing may wait.
async fn run(keeper: &Arc<Keeper>, act: fn(&Keeper)) {
    let keeper = Arc::clone(keeper);
    if let Err(error) = tokio::task::spawn_blocking(move || act(&keeper)).await {
        tracing::warn!("keeping how connections ended failed: {error}");
    }
}

struct Keeper {
    history: Arc<History>,
    folder: PathBuf,
    ipv6_prefix: u8,
}

impl Keeper {
    fn restore(&self) {
        let file = self.folder.join(FILE);
        let kept = match read(&file) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(
                    "cannot read {}: {error}; how connections ended before is forgotten",
                    file.display()
                );
                return;
            }
        };
        let now = Now::read();
        let is_cut_alike = kept.ipv6_prefix == self.ipv6_prefix;
        let addresses = kept.addresses.into_iter();
        let known = addresses.filter(|kept| is_cut_alike || kept.address.is_ipv4());
        let known = known.map(|kept| (kept.address, now.taken_up(&kept.spans)));
        if let Err(error) = self.history.restore(known.collect(), clock::now()) {
            tracing::warn!("how connections ended before cannot be taken over: {error}");
        }
    }

    fn renew(&self) {
        if let Err(error) = self.history.choose(clock::now()) {
            tracing::warn!("whose past stays cannot be chosen: {error}");
        }
        self.write();
    }

    fn write(&self) {
        let now = Now::read();
        let addresses = self.history.all().into_iter().filter_map(|(address, of)| {
            let spans = now.to_kept(&of);
            (!spans.is_empty()).then_some(KeptAddress { address, spans })
        });
        let kept = Kept {
            version: VERSION,
            ipv6_prefix: self.ipv6_prefix,
            addresses: addresses.collect(),
        };
        if let Err(error) = write(&self.folder, &kept) {
            let file = self.folder.join(FILE);
            tracing::warn!(
                "cannot write {}: {error}; a restart forgets how connections ended",
                file.display()
            );
        }
    }
}

fn read(file: &Path) -> io::Result<Kept> {
    let file = File::open(file)?;
    let kept: Kept = serde_json::from_reader(BufReader::new(file.take(BYTES_MAX)))?;
    if kept.version == VERSION {
        Ok(kept)
    } else {
        Err(io::Error::other(format!(
            "it has version {}, and {VERSION} is known",
            kept.version
        )))
    }
}

fn write(folder: &Path, kept: &Kept) -> io::Result<()> {
    let unfinished = folder.join(UNFINISHED);
    let written =
        write_to(&unfinished, kept).and_then(|()| fs::rename(&unfinished, folder.join(FILE)));
    if written.is_err() {
        // Said is why it could not be written; room is given back where it can be.
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write_to(file: &Path, kept: &Kept) -> io::Result<()> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    let mut writer = BufWriter::new(file);
    serde_json::to_writer(&mut writer, kept)?;
    writer.flush()?;
    writer.get_ref().sync_all()
}

/// A moment, by the kernel side's clock and by the wall's.
#[derive(Clone, Copy)]
struct Now {
    monotonic_ns: u64,
    unix_ns: i128,
}

impl Now {
    fn read() -> Self {
        Self {
            monotonic_ns: clock::now().as_ns(),
            unix_ns: clock::unix_ns(),
        }
    }

    /// Unix time at which the kernel side's clock was zero.
    fn zero_unix_ns(self) -> i128 {
        self.unix_ns - i128::from(self.monotonic_ns)
    }

    /// Spans that are not over for too long.
    fn to_kept(self, history: &AddressHistory) -> Vec<KeptSpan> {
        let recent = history.spans.iter().filter(|span| {
            let alone = AddressHistory {
                spans: [HistorySpan::default(); SPANS].map(|_| **span),
            };
            alone.ended(self.monotonic_ns) != (0, 0)
        });
        let began = |number: u32| {
            let unix_ns = self.zero_unix_ns() + i128::from(number) * i128::from(SPAN_NS);
            i64::try_from(unix_ns.div_euclid(SECOND_NS)).unwrap_or(i64::MAX)
        };
        recent
            .map(|span| KeptSpan {
                began: began(span.number),
                ended_well: span.ended_well,
                ended_early: span.ended_early,
            })
            .collect()
    }

    /// The same by the present clocks. What ended before the host started is counted with its first three
    /// hours; what is older than a day, or of the future, is left out.
    fn taken_up(self, spans: &[KeptSpan]) -> AddressHistory {
        let mut history = AddressHistory::default();
        let day_ns = i128::from(SPAN_NS) * SPANS as i128;
        for kept in spans {
            // In the middle, so that clocks that have drifted apart by little change nothing.
            let middle = i128::from(kept.began) * SECOND_NS + i128::from(SPAN_NS / 2);
            let age_ns = self.unix_ns - i128::from(kept.began) * SECOND_NS;
            if !(0..day_ns).contains(&age_ns) {
                continue;
            }
            let since_zero = (middle - self.zero_unix_ns()).max(0);
            let newest = self.monotonic_ns / SPAN_NS;
            let number = u64::try_from(since_zero / i128::from(SPAN_NS)).unwrap_or(0);
            let number = u32::try_from(number.min(newest)).unwrap_or(u32::MAX);
            let span = &mut history.spans[number as usize % SPANS];
            if span.number != number {
                *span = HistorySpan {
                    number,
                    ..HistorySpan::default()
                };
            }
            span.ended_well = span.ended_well.saturating_add(kept.ended_well);
            span.ended_early = span.ended_early.saturating_add(kept.ended_early);
        }
        history
    }
}

#[cfg(test)]
mod tests {
    use super::{FILE, Kept, KeptAddress, KeptSpan, Now, SECOND_NS, VERSION, read, write};
    use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, SPANS};
    use std::fs;

    const HOUR_NS: u64 = SPAN_NS / 3;
    const UNIX_NS: i128 = 1_700_000_000 * SECOND_NS;

    fn history(numbers: impl IntoIterator<Item = u32>) -> AddressHistory {
        let mut history = AddressHistory::default();
        for number in numbers {
            history.spans[number as usize % SPANS] = HistorySpan {
                number,
                ended_well: number + 1,
                ended_early: 2,
            };
        }
        history
    }

    #[test]
    fn a_restart_of_the_agent_changes_nothing() {
        let before = Now {
            monotonic_ns: 40 * HOUR_NS,
            unix_ns: UNIX_NS,
        };
        let after = Now {
            monotonic_ns: before.monotonic_ns + HOUR_NS,
            unix_ns: before.unix_ns + i128::from(HOUR_NS),
        };
        let known = history(6..=13);
        assert_eq!(after.taken_up(&before.to_kept(&known)), known);
    }

    #[test]
    fn a_day_is_kept_over_a_reboot_and_no_more() {
        let before = Now {
            monotonic_ns: 100 * SPAN_NS + HOUR_NS,
            unix_ns: UNIX_NS,
        };
        let kept = before.to_kept(&history(93..=100));
        let booted = |hours_away: u64| Now {
            monotonic_ns: HOUR_NS / 2,
            unix_ns: UNIX_NS + i128::from(hours_away * HOUR_NS),
        };
        let ended = |now: Now| now.taken_up(&kept).ended(now.monotonic_ns);
        let well = |numbers: std::ops::RangeInclusive<u64>| numbers.map(|number| number + 1).sum();
        assert_eq!(ended(booted(1)), (well(93..=100), 16));
        assert_eq!(ended(booted(12)), (well(97..=100), 8));
        assert_eq!(ended(booted(30)), (0, 0));
    }

    #[test]
    fn a_wall_clock_that_was_set_back_brings_nothing_of_the_future() {
        let before = Now {
            monotonic_ns: 20 * SPAN_NS,
            unix_ns: UNIX_NS,
        };
        let kept = before.to_kept(&history([19, 20]));
        let set_back = Now {
            unix_ns: UNIX_NS - i128::from(2 * SPAN_NS),
            ..before
        };
        assert_eq!(set_back.taken_up(&kept), AddressHistory::default());
    }

    #[test]
    fn what_is_written_is_read_and_anything_else_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |version| Kept {
            version,
            ipv6_prefix: 64,
            addresses: vec![KeptAddress {
                address: "198.51.100.7".parse().unwrap(),
                spans: vec![KeptSpan {
                    began: 1_700_000_000,
                    ended_well: 7,
                    ended_early: 0,
                }],
            }],
        };
        write(folder.path(), &kept(VERSION)).unwrap();
        let file = folder.path().join(FILE);
        let found = read(&file).unwrap();
        assert_eq!(found.addresses, kept(VERSION).addresses);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let text = fs::read(&file).unwrap();
        for length in 0..text.len() {
            fs::write(&file, &text[..length]).unwrap();
            read(&file).unwrap_err();
        }
        write(folder.path(), &kept(VERSION + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("version 2"));
    }
}
