//! Processes and what they hold, as `/proc` shows it.
//!
//! A process is read through one descriptor of its folder. When the process ends, everything
//! below that descriptor ends too, so that a process that gets the same number is never taken
//! for it.

use crate::host::folder::Folder;
use rustix::fs::RawDir;
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::Path;

/// Room for folder entries at one go.
const ENTRIES_BYTES: usize = 16 << 10;
/// `socket:[4294967295]`, and some room for wider numbers.
const LINK_BYTES: usize = 64;
const DESCRIPTORS_PER_PAUSE: u32 = 256;

/// Why an entry could not be used. None is an error: processes end, and some may not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// It is gone.
    Vanished,
    /// It is there but may not be read, or makes no sense.
    Unreadable,
    /// It keeps whoever reads it waiting.
    Hangs,
}

impl From<Errno> for Miss {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::SRCH => Self::Vanished,
            _ => Self::Unreadable,
        }
    }
}

/// `/proc`, or a tree that looks like it.
#[derive(Debug)]
pub(super) struct ProcTree(Folder);

impl ProcTree {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        Folder::open(path).map(Self)
    }

    /// Numbers of all processes at this moment.
    pub(super) fn pids(&self) -> Result<Vec<u32>, Miss> {
        numbers_in(&self.0.folder(".")?)
    }

    pub(super) fn process(&self, pid: u32) -> Result<ProcessFolder, Miss> {
        let folder = self.0.folder(&pid.to_string())?;
        Ok(ProcessFolder { pid, folder })
    }
}

/// Folder of one process.
#[derive(Debug)]
pub(super) struct ProcessFolder {
    pub(super) pid: u32,
    folder: Folder,
}

impl ProcessFolder {
    /// The beginning of a file, at most this many bytes.
    pub(super) fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, Miss> {
        Ok(self.folder.read(name, bytes_max)?)
    }

    /// Where a link points, at most what `buffer` takes.
    pub(super) fn read_link<'buffer>(
        &self,
        name: &str,
        buffer: &'buffer mut [u8],
    ) -> Result<&'buffer [u8], Miss> {
        let length = rustix::fs::readlinkat_raw(&self.folder, name, &mut *buffer)?;
        Ok(buffer.get(..length).unwrap_or_default())
    }

    /// Calls `each` with the inode of every socket among so many descriptors of the process, one after the
    /// other; `pause` is called now and then, for there may be a million. Whether there are more.
    pub(super) fn each_socket<E>(
        &self,
        at_most: u32,
        mut each: impl FnMut(u64),
        mut pause: impl FnMut() -> Result<(), E>,
    ) -> Result<Result<bool, E>, Miss> {
        let descriptors = self.folder.folder("fd")?;
        let mut entries_buffer = [MaybeUninit::<u8>::uninit(); ENTRIES_BYTES];
        let mut entries = RawDir::new(&descriptors, &mut entries_buffer);
        let mut seen = 0_u32;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if !is_number(name) {
                continue;
            }
            if seen == at_most {
                return Ok(Ok(true));
            }
            match socket_at(&descriptors, name) {
                Ok(inode) => inode.into_iter().for_each(&mut each),
                Err(Miss::Vanished) => {}
                // The right to read is that of the process, so no other link can be read either.
                Err(miss) => return Err(miss),
            }
            seen = seen.saturating_add(1);
            if seen.is_multiple_of(DESCRIPTORS_PER_PAUSE)
                && let Err(stop) = pause()
            {
                return Ok(Err(stop));
            }
        }
        Ok(Ok(false))
    }

    /// The socket behind one descriptor, if it is one.
    pub(super) fn socket(&self, descriptor: u32) -> Option<u64> {
        let mut buffer = [0; LINK_BYTES];
        parse_socket(
            self.read_link(&format!("fd/{descriptor}"), &mut buffer)
                .ok()?,
        )
    }

    /// Numbers of the threads.
    pub(super) fn threads(&self) -> Result<Vec<u32>, Miss> {
        numbers_in(&self.folder.folder("task")?)
    }
}

fn numbers_in(folder: &Folder) -> Result<Vec<u32>, Miss> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); ENTRIES_BYTES];
    let mut entries = RawDir::new(folder, &mut buffer);
    let mut numbers = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let number = entry.file_name().to_str().ok().map(str::parse::<u32>);
        numbers.extend(number.and_then(Result::ok));
    }
    Ok(numbers)
}

fn is_number(name: &CStr) -> bool {
    let name = name.to_bytes();
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

fn socket_at(descriptors: impl AsFd, name: &CStr) -> Result<Option<u64>, Miss> {
    let mut buffer = [0; LINK_BYTES];
    let length = rustix::fs::readlinkat_raw(descriptors, name, &mut buffer[..])?;
    Ok(parse_socket(buffer.get(..length).unwrap_or_default()))
}

/// `socket:[INODE]`.
fn parse_socket(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse_socket;

    #[test]
    fn only_whole_socket_links_count() {
        assert_eq!(parse_socket(b"socket:[4026531840]"), Some(4_026_531_840));
        for link in [
            &b"socket:[1"[..],
            b"pipe:[1]",
            b"/tmp/socket:[1]",
            b"socket:[]",
            b"socket:[-1]",
        ] {
            assert_eq!(parse_socket(link), None, "{link:?}");
        }
    }
}
