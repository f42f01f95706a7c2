//! The agent's own process, from `/proc/self`.
//!
//! Our own: the collector of the `prometheus` crate counts processor time in whole seconds, in which
//! an agent within its budget does not move for minutes, and brings a second rustix with procfs.

use super::definition as metric;
use super::exposition::Page;
use crate::host::folder;
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Adds the `process_*` metrics; one that cannot be read is left out.
pub(super) fn write(page: &mut Page) {
    let stat = folder::text("/proc/self/stat");
    if let Some(stat) = stat.as_deref().and_then(Stat::parse) {
        write_stat(page, &stat);
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        // One of them is the directory itself.
        let count = descriptors.count().saturating_sub(1);
        page.single(&metric::PROCESS_OPEN_FDS, count as u64);
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        page.single(&metric::PROCESS_MAX_FDS, limit);
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "ticks stay far below 2^53 and seconds are shown, not compared"
)]
fn write_stat(page: &mut Page, stat: &Stat) {
    let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
    let cpu_seconds = stat.cpu_ticks as f64 / ticks_per_second;
    page.single(&metric::PROCESS_CPU_SECONDS, cpu_seconds);
    page.single(&metric::PROCESS_VIRTUAL_MEMORY_BYTES, stat.virtual_bytes);
    let page_bytes = rustix::param::page_size() as u64;
    let resident_bytes = stat.resident_pages.saturating_mul(page_bytes);
    page.single(&metric::PROCESS_RESIDENT_MEMORY_BYTES, resident_bytes);
    page.single(&metric::PROCESS_THREADS, stat.threads);
    if let Some(boot_seconds) = boot_time_seconds() {
        let started = boot_seconds as f64 + stat.start_ticks as f64 / ticks_per_second;
        page.single(&metric::PROCESS_START_TIME_SECONDS, started);
    }
}

fn boot_time_seconds() -> Option<u64> {
    let stat = folder::text("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    /// Reads `/proc/PID/stat` (`proc(5)`); the name in parentheses may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        // The first field after the name is number 3 in `proc(5)`.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn a_name_with_spaces_and_parentheses_shifts_nothing() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 12 34 0 0 20 0 5 0 \
                    678 9000000 321 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0\n";
        let expected = Stat {
            cpu_ticks: 46,
            threads: 5,
            start_ticks: 678,
            virtual_bytes: 9_000_000,
            resident_pages: 321,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (x"), None);
        assert_eq!(Stat::parse("7 (x) S 1"), None);
    }
}
