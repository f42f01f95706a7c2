//! Reads small files below one folder: bounded, without waiting, and without following a link at
//! the end of the way.

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

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

    /// The beginning of a file, at most this many bytes.
    pub(super) fn read(&self, name: &str, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        let mut bytes = Vec::with_capacity(bytes_max);
        while bytes.len() < bytes_max
            && retry_on_intr(|| rustix::io::read(&file, spare_capacity(&mut bytes)))? > 0
        {}
        bytes.truncate(bytes_max);
        Ok(bytes)
    }

    /// The whole file as text; `None` if it is not there, longer or no UTF-8.
    pub(super) fn text(&self, name: &str, bytes_max: usize) -> Option<String> {
        let bytes = self.read(name, bytes_max + 1).ok()?;
        if bytes.len() > bytes_max {
            return None;
        }
        String::from_utf8(bytes).ok()
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;
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
        }
    }
}
