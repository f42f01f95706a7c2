//! What is put before the lines of a kernel that runs elsewhere: by Talos' client, and by VMware.

use super::bracket::bracket;
use super::prefix::Unwrapping;
use super::prompt::has_kernel_time;

const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

impl Unwrapping<'_> {
    /// `10.5.0.3: kern: warning: [2022-07-28T11:49:44.873616063Z]: ` of `talosctl dmesg`, at the very front. Whether it
    /// stood there.
    pub(super) fn talos(&mut self) -> bool {
        let parts = || {
            let (host, rest) = self.text.split_once(": ")?;
            let (facility, rest) = rest.split_once(": ")?;
            let (level, rest) = rest.trim_start().split_once(": [")?;
            let (time, text) = rest.split_once("]: ")?;
            let is_part = |c: char| c.is_ascii_alphanumeric() || ".-:_".contains(c);
            let is_it = host.chars().all(is_part)
                && facility.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && LEVELS.contains(&level)
                && time.len() < 64;
            Some((host, facility, bracket(time)??, text)).filter(|_| is_it)
        };
        let Some((host, facility, stamp, text)) = parts() else {
            return false;
        };
        self.host = Some(host);
        self.is_foreign_facility |= facility != "kern";
        self.stamp(Some(stamp));
        self.text = text;
        true
    }

    /// `In(05) vcpu-5 - Guest: `, before 2022 `vcpu-0| I125: Guest: `, as a virtual machine's own log has it between the
    /// time and what its kernel says. Programs write there, too, without the kernel's time.
    pub(super) fn guest(&mut self) -> bool {
        const LONGEST: usize = 64;
        let is_dated = self.stamps.utc_ns.is_some();
        let Some((before, rest)) = self.text.split_once("Guest: ").filter(|_| is_dated) else {
            return false;
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || "()|-: ".contains(c);
        let is_it = before.len() < LONGEST
            && before.contains("vcpu-")
            && before.chars().all(is_part)
            && rest.starts_with('<')
            && has_kernel_time(rest);
        if is_it {
            self.text = rest;
        }
        is_it
    }
}
