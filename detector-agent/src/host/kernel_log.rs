//! The kernel's log as it is written: records of `/dev/kmsg` from now on.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, SeekFrom, open, seek};
use rustix::io::{Errno, read, retry_on_intr};
use rustix::time::Timespec;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Where it is read.
pub(crate) const PATH: &str = "/dev/kmsg";
/// Longest record (`PRINTK_MESSAGE_MAX`, or `CONSOLE_EXT_LOG_MAX` before 6.3).
const RECORD_BYTES: usize = 8_192;

/// An open log.
#[derive(Debug)]
pub(crate) struct KernelLog(OwnedFd);

/// What came of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// A message of the kernel.
    Message(String),
    /// A record that is none: somebody else wrote it, or it makes no sense.
    Other,
    /// Records were overwritten before they were read.
    Lost,
    /// Nothing for so long.
    Nothing,
}

impl KernelLog {
    /// Opens it behind all that has been written.
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let log = open(path, flags, Mode::empty())?;
        seek(&log, SeekFrom::End(0))?;
        Ok(Self(log))
    }

    /// The next record, or nothing for so long.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<Waited, Errno> {
        let timeout = Timespec::try_from(patience).map_err(|_| Errno::INVAL)?;
        let mut waiting = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut waiting, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(Waited::Nothing),
            Ok(_) => {}
            Err(errno) => return Err(errno),
        }
        let mut record = [0; RECORD_BYTES];
        match retry_on_intr(|| read(&self.0, &mut record)) {
            // The log has no end: something else lies in its place, as in some containers.
            Ok(0) => Err(Errno::NODATA),
            Ok(length) => Ok(message(&record[..length]).map_or(Waited::Other, Waited::Message)),
            Err(Errno::PIPE) => Ok(Waited::Lost),
            Err(Errno::AGAIN) => Ok(Waited::Nothing),
            // Longer than the kernel promises: skipped.
            Err(Errno::INVAL) => Ok(Waited::Other),
            Err(errno) => Err(errno),
        }
    }
}

/// The text of a record `6,339,5140900,-;text`, if the kernel wrote it. Anyone who may write to
/// `/dev/kmsg` may say anything there, but not in the kernel's own facility, 0.
fn message(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let (header, text) = text.split_once(';')?;
    let priority: u32 = header.split(',').next()?.parse().ok()?;
    let is_of_kernel = priority >> 3 == 0;
    // Lines after the first name the device.
    let first = text.lines().next()?;
    is_of_kernel.then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{KernelLog, message};
    use rustix::io::Errno;
    use std::path::Path;
    use std::time::Duration;

    #[test]
    fn only_the_kernel_is_believed() {
        let text = |record: &str| message(record.as_bytes());
        assert_eq!(
            text("3,1,5140900,-;Out of memory: Killed process 870 (httpd)\n SUBSYSTEM=x\n"),
            Some("Out of memory: Killed process 870 (httpd)".to_owned())
        );
        // `echo … >/dev/kmsg`
        assert_eq!(
            text("12,2,5140900,-;Out of memory: Killed process 1 (init)\n"),
            None
        );
        for broken in ["", ";", "x,1,2,-;text", "text", "6;", "6,1,2,-;"] {
            assert_eq!(text(broken), None, "{broken}");
        }
        assert_eq!(message(b"6,1,2,-;\xff\n"), Some("\u{fffd}".to_owned()));
    }

    #[test]
    fn what_is_no_log_is_an_error() {
        assert!(KernelLog::open(Path::new("/nowhere")).is_err());
        let mut other = KernelLog::open(Path::new("/dev/null")).unwrap();
        assert_eq!(other.wait(Duration::ZERO), Err(Errno::NODATA));
    }
}
