//! The archive format the kernel unpacks at boot ("newc").
//!
//! Written here because device nodes in an archive need no root, on disk they would.

/// An archive in the making. Paths are relative to `/`.
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_666;

impl Archive {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: 0,
        }
    }

    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, DIRECTORY, (0, 0), &[]);
    }

    /// A file that may be read and executed by all.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, PROGRAM, (0, 0), content);
    }

    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, CHARACTER_DEVICE, (major, minor), &[]);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        let (links, no_time, checksum) = (1, 0, 0);
        let fields = [
            self.entries,
            mode,
            0,
            0,
            links,
            no_time,
            size,
            0,
            0,
            device.0,
            device.1,
            name_size,
            checksum,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Headers and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn every_part_begins_at_a_multiple_of_four() {
        let mut archive = Archive::new();
        archive.file("init", b"#!/bin/sh\n");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[..6], b"070701");
        // 110 bytes of header and "init\0" end at 115, padded to 116.
        assert_eq!(&bytes[116..126], b"#!/bin/sh\n");
        assert_eq!(&bytes[128..134], b"070701");
    }

    #[test]
    fn another_program_reads_it() {
        let mut archive = Archive::new();
        archive.folder("dev");
        archive.device("dev/null", 1, 3);
        archive.file("init", b"hello");
        let bytes = archive.finish();
        let mut tar = Command::new("busybox")
            .args(["cpio", "-t"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("busybox is not installed: apt-get install busybox-static");
        tar.stdin.take().unwrap().write_all(&bytes).unwrap();
        let listed = tar.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&listed.stdout),
            "dev\ndev/null\ninit\n"
        );
    }
}
