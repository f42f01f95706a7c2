//! What a configuration must hold to, key by key.

use super::sections::Config;
use detector_api::units::{Part, Rate, Size, Span};
use std::time::Duration;

/// What is wrong with the value of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongValue {
    /// `section.name`.
    pub(super) key: &'static str,
    /// What is wrong; names the key.
    pub(super) message: String,
}

/// Most addresses to listen on.
const MAX_LISTEN_ADDRESSES: usize = 16;

/// Returns with what is wrong if a key lies outside its bounds.
macro_rules! within {
    ($config:ident.$section:ident.$key:ident, $least:expr, $most:expr) => {
        within(
            concat!(stringify!($section), ".", stringify!($key)),
            $config.$section.$key,
            $least,
            $most,
        )?
    };
}

impl Config {
    /// Says what is wrong, under which key.
    pub(super) fn check(&self) -> Result<(), WrongValue> {
        self.check_web()?;
        self.check_control()?;
        within!(self.detect.stall_after, seconds(1), seconds(3_600));
        within!(self.detect.dribble_floor, Rate(1), Rate(1 << 40));
        within!(self.detect.dribble_over, seconds(1), seconds(86_400));
        within!(self.detect.hoard_connections, 1, 10_000_000);
        within!(self.detect.hoard_bytes, Size(1), Size(1 << 50));
        within!(self.peers.ipv6_prefix, 1, 128);
        within!(self.peers.capacity, 16, 4_194_304);
        within!(self.peers.export, 0, 1_000.min(self.peers.capacity));
        within!(self.recorder.size, Size(4 << 20), Size(1 << 40));
        within!(self.recorder.age, seconds(3_600), seconds(3_650 * 86_400));
        self.check_guard()?;
        within!(self.budget.cpu_share, Part(1), Part(1_000_000));
        within!(self.budget.connections, 16, 4_194_304);
        within!(self.budget.events, 16, 1_048_576);
        within!(self.budget.nice, -20, 19);
        within!(self.budget.ring, Size(64 << 10), Size(1 << 30));
        if !self.budget.ring.0.is_power_of_two() {
            let ring = self.budget.ring;
            let message = format!("budget.ring = {ring} is not a power of two");
            return wrong("budget.ring", message);
        }
        let shortest = Span(Duration::from_millis(100));
        within!(self.budget.sweep_interval, shortest, seconds(60));
        within!(self.budget.sweep_share_idle, Part(1), Part(10_000));
        within!(self.budget.sweep_share_busy, Part(1), Part(10_000));
        Ok(())
    }

    fn check_guard(&self) -> Result<(), WrongValue> {
        within!(self.guard.pinned, Size(1), Size(1 << 50));
        within!(self.guard.tcp_memory_share, Part(1), Part(10_000));
        within!(self.guard.unit_memory_share, Part(1), Part(10_000));
        within!(self.guard.workers_share, Part(1), Part(10_000));
        within!(self.guard.reset_after, seconds(5), seconds(3_600));
        within!(self.guard.block_for, seconds(1), seconds(86_400));
        within!(self.guard.resets_per_minute, 0, 1_000_000);
        within!(self.guard.blocks_per_minute, 0, 1_000);
        within!(self.guard.well_behaved_max, 0, 1_000);
        Ok(())
    }

    fn check_web(&self) -> Result<(), WrongValue> {
        let addresses = &self.web.listen_addresses;
        let count = addresses.len();
        if !(1..=MAX_LISTEN_ADDRESSES).contains(&count) {
            let message = format!(
                "number of web.listen_addresses = {count} is outside 1 to {MAX_LISTEN_ADDRESSES}"
            );
            return wrong("web.listen_addresses", message);
        }
        for (index, address) in addresses.iter().enumerate() {
            // Port 0 asks for any free port, so it may be there twice.
            if address.port() != 0 && addresses[..index].contains(address) {
                let message = format!("web.listen_addresses names {address} twice");
                return wrong("web.listen_addresses", message);
            }
        }
        let path = &self.web.telemetry_path;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            let message = format!("web.telemetry_path = {path:?} is not a path such as /metrics");
            return wrong("web.telemetry_path", message);
        }
        if ["/", "/healthz", "/readyz"].contains(&path.as_str()) {
            let message = format!("web.telemetry_path = {path:?} is another page of the agent");
            return wrong("web.telemetry_path", message);
        }
        Ok(())
    }

    fn check_control(&self) -> Result<(), WrongValue> {
        // `sun_path` has 108 bytes with the final zero; the lock file beside has its own limit.
        const MAX_PATH_BYTES: usize = 107;
        let socket = &self.control.socket;
        let bytes = socket.as_os_str().as_encoded_bytes();
        if !socket.is_absolute() || socket.file_name().is_none() || bytes.contains(&0) {
            let message = format!("control.socket = {socket:?} is not an absolute path of a file");
            return wrong("control.socket", message);
        }
        if bytes.len() > MAX_PATH_BYTES {
            let message =
                format!("control.socket = {socket:?} is longer than {MAX_PATH_BYTES} bytes");
            return wrong("control.socket", message);
        }
        Ok(())
    }
}

const fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), WrongValue> {
    if value < least || value > most {
        let message = format!("{key} = {value} is outside {least} to {most}");
        return wrong(key, message);
    }
    Ok(())
}

const fn wrong(key: &'static str, message: String) -> Result<(), WrongValue> {
    Err(WrongValue { key, message })
}
