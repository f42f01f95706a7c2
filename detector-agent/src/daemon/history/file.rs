//! The file in which it is kept, whole or as it was before.

use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

pub(super) const FILE: &str = "history.json";
/// One that cannot be read is kept under this name, until the next such one.
const SET_ASIDE: &str = "history.json.unreadable";
/// Written under this name at first, so that a crash leaves the file of before.
const UNFINISHED: &str = "history.json.new";
/// Of the file's form.
const VERSION: u32 = 1;
/// More than two full tables come to.
const BYTES_MAX: u64 = 32 << 20;

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    /// How addresses of IPv6 are cut.
    pub(super) ipv6_prefix: u8,
    pub(super) addresses: Vec<KeptAddress>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptAddress {
    pub(super) address: IpAddr,
    pub(super) spans: Vec<KeptSpan>,
}

/// How many connections ended in three hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSpan {
    /// When they began, in seconds of Unix time.
    pub(super) began: i64,
    pub(super) ended_well: u32,
    pub(super) ended_early: u32,
    /// Files of older agents have none.
    #[serde(default)]
    pub(super) seen_well: u32,
}

impl Kept {
    /// As it is written now.
    pub(super) const fn of(ipv6_prefix: u8, addresses: Vec<KeptAddress>) -> Self {
        Self {
            version: VERSION,
            ipv6_prefix,
            addresses,
        }
    }
}

pub(super) fn read(file: &Path) -> io::Result<Kept> {
    let file = File::open(file)?;
    let kept: Kept = serde_json::from_reader(BufReader::new(file.take(BYTES_MAX)))?;
    if kept.version == VERSION {
        Ok(kept)
    } else {
        Err(io::Error::other(format!(
            "it has version {}, and {VERSION} is known",
            kept.version
        )))
    }
}

/// Moves a file that cannot be read out of the way of the next one; returns where it is then.
pub(super) fn set_aside(folder: &Path) -> io::Result<PathBuf> {
    let aside = folder.join(SET_ASIDE);
    fs::rename(folder.join(FILE), &aside)?;
    Ok(aside)
}

pub(super) fn write(folder: &Path, kept: &Kept) -> io::Result<()> {
    let unfinished = folder.join(UNFINISHED);
    let written =
        write_to(&unfinished, kept).and_then(|()| fs::rename(&unfinished, folder.join(FILE)));
    if written.is_err() {
        // Said is why it could not be written; room is given back where it can be.
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write_to(file: &Path, kept: &Kept) -> io::Result<()> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    let mut writer = BufWriter::new(file);
    serde_json::to_writer(&mut writer, kept)?;
    writer.flush()?;
    writer.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::{FILE, Kept, KeptAddress, KeptSpan, VERSION, read, set_aside, write};
    use std::fs;

    #[test]
    fn what_is_written_is_read_and_anything_else_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |version| Kept {
            version,
            ipv6_prefix: 64,
            addresses: vec![KeptAddress {
                address: "198.51.100.7".parse().unwrap(),
                spans: vec![KeptSpan {
                    began: 1_700_000_000,
                    ended_well: 7,
                    ended_early: 0,
                    seen_well: 3,
                }],
            }],
        };
        write(folder.path(), &kept(VERSION)).unwrap();
        let file = folder.path().join(FILE);
        let found = read(&file).unwrap();
        assert_eq!(found.addresses, kept(VERSION).addresses);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let text = fs::read(&file).unwrap();
        for length in 0..text.len() {
            fs::write(&file, &text[..length]).unwrap();
            read(&file).unwrap_err();
        }
        let text = String::from_utf8(text).unwrap();
        fs::write(&file, text.replace(r#","seen_well":3"#, "")).unwrap();
        let older = read(&file).unwrap();
        assert_eq!(older.addresses[0].spans[0].seen_well, 0);
        write(folder.path(), &kept(VERSION + 1)).unwrap();
        assert!(read(&file).unwrap_err().to_string().contains("version 2"));
        let whole = fs::read(&file).unwrap();
        let aside = set_aside(folder.path()).unwrap();
        assert!(!file.exists() && fs::read(aside).unwrap() == whole);
    }
}
