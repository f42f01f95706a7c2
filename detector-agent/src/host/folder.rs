//! Reads small files below one folder: bounded, without waiting, and without following a link at
//! the end of the way.

use rustix::buffer::spare_capacity;
use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Most of the files that are kept open are shorter.
const READ_BYTES: usize = 8 << 10;
/// A link at the end is not followed, and what is no file of its own does not hold us up.
const FILE_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// A small file of `/proc` or `/sys` as text; `None` if it is not there, longer than any of them is or no
/// UTF-8.
pub(crate) fn text(path: impl AsRef<Path>) -> Option<String> {
    /// `/proc/stat` of a host with very many processors and interrupts.
    const BYTES_MAX: usize = 1 << 20;
    let file = rustix::fs::open(path.as_ref(), FILE_FLAGS, Mode::empty()).ok()?;
    whole(&file, BYTES_MAX)
}

/// `/proc`, a folder in it, or a tree that looks like it.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).map(Self)
    }

    /// A folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::empty()).map(Self)
    }

    /// Name and inode number of each folder in it; none if it is gone.
    pub(super) fn folders(&self) -> impl Iterator<Item = (String, u64)> {
        let entries = Dir::read_from(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let name = entry.file_name().to_str().ok()?;
            let is_below = entry.file_type() == FileType::Directory && !matches!(name, "." | "..");
            is_below.then(|| (name.to_owned(), entry.ino()))
        })
    }

    fn file(&self, name: &str) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.0, name, FILE_FLAGS, Mode::empty())
    }

    /// The beginning of a file, at most this many bytes.
    pub(super) fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        beginning(&self.file(name)?, bytes_max)
    }

    /// The whole file as text; `None` if it is not there, longer or no UTF-8.
    pub(super) fn text(&self, name: &str, bytes_max: usize) -> Option<String> {
        whole(&self.file(name).ok()?, bytes_max)
    }
}

fn beginning(file: &OwnedFd, bytes_max: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(bytes_max.min(READ_BYTES));
    while bytes.len() < bytes_max
        && retry_on_intr(|| rustix::io::read(file, spare_capacity(&mut bytes)))? > 0
    {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len());
        }
    }
    bytes.truncate(bytes_max);
    Ok(bytes)
}

fn whole(file: &OwnedFd, bytes_max: usize) -> Option<String> {
    let bytes = beginning(file, bytes_max + 1).ok()?;
    if bytes.len() > bytes_max {
        return None;
    }
    String::from_utf8(bytes).ok()
}

/// Files of one folder that are read again and again: kept open, and read into one buffer.
#[derive(Debug, Default)]
pub(super) struct KeptFiles {
    folder: Option<Folder>,
    files: HashMap<&'static str, OwnedFd>,
    buffer: Vec<u8>,
}

impl KeptFiles {
    /// What `parse` makes of the whole file as text; `None` if that is not there, longer than so many
    /// bytes or no UTF-8.
    pub(super) fn parse<T>(
        &mut self,
        path: &Path,
        name: &'static str,
        bytes_max: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if self.fill(path, name, bytes_max).is_err() {
            // Another time it may be there, or another.
            self.files.remove(name);
            return None;
        }
        if self.buffer.len() > bytes_max {
            return None;
        }
        parse(str::from_utf8(&self.buffer).ok()?)
    }

    /// Reads the beginning of a file, at most a byte more than wanted.
    fn fill(&mut self, path: &Path, name: &'static str, bytes_max: usize) -> Result<(), Errno> {
        self.buffer.clear();
        let file = match self.files.entry(name) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                if self.folder.is_none() {
                    self.folder = Some(Folder::open(path)?);
                }
                let folder = self.folder.as_ref().ok_or(Errno::NOENT)?;
                entry.insert(folder.file(name)?)
            }
        };
        while self.buffer.len() <= bytes_max {
            self.buffer.reserve(READ_BYTES);
            let offset = self.buffer.len() as u64;
            let count = retry_on_intr(|| {
                rustix::io::pread(&*file, spare_capacity(&mut self.buffer), offset)
            })?;
            if count == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Folder, text};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_text_is_whole_or_none() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("eight"), "12345678").unwrap();
        fs::write(scratch.path().join("foreign"), b"\xff").unwrap();
        symlink("eight", scratch.path().join("link")).unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        assert_eq!(folder.text("eight", 8).as_deref(), Some("12345678"));
        assert_eq!(folder.text("eight", 7), None);
        assert_eq!(folder.read("eight", 3).as_deref(), Ok(&b"123"[..]));
        for name in ["foreign", "link", "nowhere"] {
            assert_eq!(folder.text(name, 8), None, "{name}");
            assert_eq!(text(scratch.path().join(name)), None, "{name}");
        }
        assert_eq!(
            text(scratch.path().join("eight")).as_deref(),
            Some("12345678")
        );
        let long = scratch.path().join("long");
        fs::write(&long, vec![b'1'; (1 << 20) + 1]).unwrap();
        assert_eq!(text(&long), None);
    }
}
