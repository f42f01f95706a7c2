//! Where a kernel log comes from: a file, a pipe, or the kernel's own buffer.

use super::utf16::Utf16;
use detector_api::failure::{Code, Failure};
use detector_api::sanitize;
use detector_kmsg::{LogReader, LogReport};
use rustix::fs::{FileType, OFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The kernel's own buffer.
const KMSG: &str = "/dev/kmsg";
/// What is asked for at once; one record of the kernel's fits many times.
const PIECE_BYTES: usize = 1 << 18;
/// Bytes in which a text has no zero byte, nor a file another form.
const HEAD_BYTES: usize = 4096;

/// An open log.
pub(super) struct Source {
    name: String,
    input: Box<dyn Read>,
}

impl Source {
    /// `-` is stdin, and so is nothing where stdin is a pipe or a file.
    pub(super) fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let file = match file {
            Some(file) => file,
            None if is_stdin_given() => Path::new("-"),
            None => Path::new(KMSG),
        };
        if file == Path::new("-") {
            let input = Box::new(io::stdin().lock());
            return Ok(Self {
                name: "stdin".to_owned(),
                input,
            });
        }
        let name = sanitize::text(&file.to_string_lossy());
        let open = || {
            // A device gives what it has and does not wait for more; files know no waiting.
            let input = OpenOptions::new()
                .read(true)
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
                .open(file)?;
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&input)?.st_mode);
            if kind == FileType::Fifo {
                // Opened anew: what a pipe has is waited for.
                return File::open(file);
            }
            Ok(input)
        };
        match open() {
            Ok(input) => Ok(Self {
                name,
                input: Box::new(input),
            }),
            Err(error) => Err(unreadable(&name, &error)),
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads to the end of what is there.
    pub(super) fn read(mut self) -> Result<LogReport, Failure> {
        let mut log = LogReader::new()
            .map_err(|why| Failure::failed(format!("cannot search a log: {why}")))?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut is_first = true;
        let mut utf16: Option<Utf16> = None;
        loop {
            match self.input.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => {
                    let mut read = piece.get(..length).unwrap_or_default();
                    if std::mem::take(&mut is_first) {
                        if let Some((decoder, rest)) = Utf16::begin(read) {
                            (utf16, read) = (Some(decoder), rest);
                        } else {
                            refuse_other_forms(&self.name, read)?;
                        }
                    }
                    match &mut utf16 {
                        Some(decoder) => log.feed(decoder.decode(read).as_bytes()),
                        None => log.feed(read),
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    // The end of what the kernel has.
                    ErrorKind::WouldBlock => break,
                    // The kernel has written over what was to be read next.
                    ErrorKind::BrokenPipe => log.lines_are_lost(),
                    _ => return Err(unreadable(&self.name, &error)),
                },
            }
        }
        Ok(log.finish())
    }
}

/// Whether somebody has put a pipe or a file there.
fn is_stdin_given() -> bool {
    let kind = rustix::fs::fstat(io::stdin()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::RegularFile))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let failed = |code| Failure::new(code, anyhow::anyhow!("cannot read {name}: {error}"));
    match error.kind() {
        ErrorKind::PermissionDenied if name == KMSG => failed(Code::Privilege).hint(
            "run as root, or let the journal be read: journalctl -k | detector dmesg -",
        ),
        ErrorKind::PermissionDenied => failed(Code::Privilege).hint("run as root, or as a user who may read it"),
        ErrorKind::IsADirectory => failed(Code::Failed)
            .hint("name one file, or many through a pipe: cat kern.log.1 kern.log | detector dmesg -"),
        ErrorKind::NotFound => failed(Code::Failed)
            .hint("kernel logs are in /var/log/kern.log, /var/log/messages, or the journal: journalctl -k | detector dmesg -"),
        _ => failed(Code::Failed),
    }
}

/// Refuses what is no text, and says how to make one of it.
fn refuse_other_forms(name: &str, start: &[u8]) -> Result<(), Failure> {
    const FORMS: [(&[u8], &str, &str); 5] = [
        (
            b"\x1f\x8b",
            "is packed by gzip",
            "zcat FILE | detector dmesg -",
        ),
        (
            b"\xfd7zXZ\0",
            "is packed by xz",
            "xzcat FILE | detector dmesg -",
        ),
        (
            b"\x28\xb5\x2f\xfd",
            "is packed by zstd",
            "zstdcat FILE | detector dmesg -",
        ),
        (
            b"BZh",
            "is packed by bzip2",
            "bzcat FILE | detector dmesg -",
        ),
        (
            b"LPKSHHRH",
            "is a file of the journal",
            "journalctl -k --file FILE | detector dmesg -",
        ),
    ];
    let refused = |why: &str| Failure::failed(format!("cannot explain {name}: it {why}"));
    if let Some((_, why, command)) = FORMS.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return Err(refused(why).hint(*command));
    }
    // A log may have a hole where the power went; a binary file has other bytes of control, too.
    let head = start.get(..HEAD_BYTES).unwrap_or(start);
    let is_control = |byte: &&u8| **byte < 0x20 && !b"\0\t\n\r\x1b\x1e\x0c\x08".contains(byte);
    if head.iter().filter(is_control).count() * 20 > head.len() {
        return Err(refused("is not text")
            .hint("name a log file, or pipe one in: journalctl -k | detector dmesg -"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::refuse_other_forms;

    #[test]
    fn what_is_no_text_is_refused_with_what_to_do() {
        let refusal = |start: &[u8]| {
            refuse_other_forms("x", start)
                .err()
                .map(|failure| failure.to_string())
        };
        for (start, hint) in [
            (&b"\x1f\x8b\x08"[..], "zcat"),
            (b"\xfd7zXZ\0", "xzcat"),
            (b"\x28\xb5\x2f\xfd", "zstdcat"),
            (b"BZh9", "bzcat"),
            (b"LPKSHHRH", "journalctl"),
            (b"\x7fELF\x02\x01\x01\x03\x04\x05", "journalctl"),
        ] {
            assert!(
                refusal(start).is_some_and(|text| text.contains(hint)),
                "{start:?}"
            );
        }
        for text in [
            &b"TCP: out of memory\n"[..],
            b"\0\0\0\0\0\0Mar  4 10:11:12 web1 kernel: x\n",
            "größe\n".as_bytes(),
        ] {
            assert_eq!(refusal(text), None);
        }
    }
}
