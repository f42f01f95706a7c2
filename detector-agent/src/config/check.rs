//! What a configuration must hold to, key by key.

use super::sections::Config;
use detector_api::units::{Part, Rate, Size, Span};
use std::time::Duration;

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
    pub(super) fn check(&self) -> Result<(), String> {
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
        within!(self.budget.connections, 16, 4_194_304);
        within!(self.budget.events, 16, 1_048_576);
        within!(self.budget.nice, -20, 19);
        within!(self.budget.ring, Size(64 << 10), Size(1 << 30));
        if !self.budget.ring.0.is_power_of_two() {
            return Err(format!(
                "budget.ring = {} is not a power of two",
                self.budget.ring
            ));
        }
        let shortest = Span(Duration::from_millis(100));
        within!(self.budget.sweep_interval, shortest, seconds(60));
        within!(self.budget.sweep_share_idle, Part(1), Part(10_000));
        within!(self.budget.sweep_share_busy, Part(1), Part(10_000));
        Ok(())
    }

    fn check_web(&self) -> Result<(), String> {
        let addresses = &self.web.listen_addresses;
        within(
            "number of web.listen_addresses",
            addresses.len(),
            1,
            MAX_LISTEN_ADDRESSES,
        )?;
        for (index, address) in addresses.iter().enumerate() {
            // Port 0 asks for any free port, so it may be there twice.
            if address.port() != 0 && addresses[..index].contains(address) {
                return Err(format!("web.listen_addresses names {address} twice"));
            }
        }
        let path = &self.web.telemetry_path;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(is_plain) {
            return Err(format!(
                "web.telemetry_path = {path:?} is not a path such as /metrics"
            ));
        }
        if ["/", "/healthz", "/readyz"].contains(&path.as_str()) {
            return Err(format!(
                "web.telemetry_path = {path:?} is another page of the agent"
            ));
        }
        Ok(())
    }

    fn check_control(&self) -> Result<(), String> {
        // `sun_path` has 108 bytes with the final zero; the lock file beside has its own limit.
        const MAX_PATH_BYTES: usize = 107;
        let socket = &self.control.socket;
        let bytes = socket.as_os_str().as_encoded_bytes();
        if !socket.is_absolute() || socket.file_name().is_none() || bytes.contains(&0) {
            return Err(format!(
                "control.socket = {socket:?} is not an absolute path of a file"
            ));
        }
        if bytes.len() > MAX_PATH_BYTES {
            return Err(format!(
                "control.socket = {socket:?} is longer than {MAX_PATH_BYTES} bytes"
            ));
        }
        Ok(())
    }
}

const fn seconds(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), String> {
    if value < least || value > most {
        return Err(format!("{key} = {value} is outside {least} to {most}"));
    }
    Ok(())
}
