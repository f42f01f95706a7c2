//! A file whose pages lead to the same ones again and again has rows without end: reading it ends.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_recorder::{EventsWanted, FILE_NAME, Reader, RecorderError, Span};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use support::{batch, open};
use tempfile::TempDir;

const LEVELS: usize = 4;
const PAGE: usize = 4_096;
/// On a page.
const CELLS: u16 = 500;

fn recorded() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = open(folder.path(), 0);
    for second in 1..4_i64 {
        let event = second.unsigned_abs();
        recorder.record(&batch(second, event)).unwrap();
    }
    folder
}

/// A file that is prepared, and the first page of one of its tables.
struct Prepared {
    bytes: Vec<u8>,
    root: usize,
}

impl Prepared {
    fn of(folder: &Path, table: &str) -> Self {
        let file = folder.join(FILE_NAME);
        let database = Connection::open(&file).unwrap();
        let query = "SELECT rootpage FROM sqlite_schema WHERE name = ?1 UNION ALL SELECT 1";
        let root: i64 = database
            .query_row(query, [table], |row| row.get(0))
            .unwrap();
        drop(database);
        let bytes = fs::read(&file).unwrap();
        assert_eq!(bytes[16..18], [0x10, 0], "pages of 4,096 bytes");
        let root = usize::try_from(root).unwrap();
        Self { bytes, root }
    }

    fn page(&self) -> &[u8] {
        &self.bytes[(self.root - 1) * PAGE..self.root * PAGE]
    }

    fn append(&mut self, page: &[u8]) -> u32 {
        self.bytes.extend(page);
        u32::try_from(self.bytes.len() / PAGE).unwrap()
    }

    /// Puts pages above this one, each of which leads to the one below it as often as it can, and makes them the table,
    /// behind what `first` leads to.
    fn lead_to(mut self, folder: &Path, mut below: u32, first: Option<u32>) {
        for _ in 1..LEVELS {
            let page = leading_to(below, below, 0);
            below = self.append(&page);
        }
        let header = if self.root == 1 { 100 } else { 0 };
        let page = leading_to(below, first.unwrap_or(below), header);
        let at = (self.root - 1) * PAGE;
        self.bytes[at + header..at + PAGE].copy_from_slice(&page[header..]);
        let pages = u32::try_from(self.bytes.len() / PAGE).unwrap();
        self.bytes[28..32].copy_from_slice(&pages.to_be_bytes());
        fs::write(folder.join(FILE_NAME), self.bytes).unwrap();
    }
}

/// Without end, the rows of a table that has one page.
fn prepare(folder: &Path, table: &str) {
    let mut prepared = Prepared::of(folder, table);
    let leaf = prepared.page().to_vec();
    assert_eq!(leaf[0], 13, "the first page is the only one");
    let leaf = prepared.append(&leaf);
    prepared.lead_to(folder, leaf, None);
}

/// The page of a table that leads to these.
fn leading_to(below: u32, first: u32, header: usize) -> Vec<u8> {
    let cells_at = header + 12 + 2 * usize::from(CELLS);
    let mut page = vec![0; PAGE];
    page[header] = 5;
    page[header + 3..header + 5].copy_from_slice(&CELLS.to_be_bytes());
    page[header + 5..header + 7].copy_from_slice(&at(cells_at));
    page[header + 8..header + 12].copy_from_slice(&below.to_be_bytes());
    for each in 0..usize::from(CELLS) {
        // Where it leads, and a key of one byte: all the same.
        let child = if each == 0 { first } else { below };
        let cell = [&child.to_be_bytes()[..], &[1]].concat();
        let (place, pointer) = (cells_at + each * cell.len(), header + 12 + 2 * each);
        page[pointer..pointer + 2].copy_from_slice(&at(place));
        page[place..place + cell.len()].copy_from_slice(&cell);
    }
    page
}

fn at(place: usize) -> [u8; 2] {
    u16::try_from(place).unwrap().to_be_bytes()
}

fn assert_damaged<T: std::fmt::Debug>(read: Result<T, RecorderError>) {
    let Err(error @ RecorderError::Damaged { .. }) = read else {
        panic!("{read:?}");
    };
    let told = error.to_string();
    assert!(
        told.ends_with("leads to more rows than a file of its size can hold"),
        "{told}"
    );
}

#[test]
fn a_query_on_pages_that_lead_to_each_other_without_end_ends() {
    let folder = recorded();
    prepare(folder.path(), "host_seconds");
    let reader = Reader::open(folder.path()).unwrap();
    assert_damaged(reader.calm_ms());
    // It has as many steps again.
    assert_eq!(reader.runs().unwrap().len(), 1);
}

#[test]
fn events_that_come_again_and_again_are_not_all_told() {
    let folder = recorded();
    prepare(folder.path(), "events");
    let reader = Reader::open(folder.path()).unwrap();
    let all = EventsWanted {
        span: Span::ALL,
        peer: None,
        kind: None,
        limit: usize::MAX,
    };
    let mut told = 0;
    let read = reader.each_event(&all, |_| {
        told += 1;
        Ok::<_, RecorderError>(())
    });
    assert!(
        matches!(read, Err(RecorderError::Damaged { .. })),
        "{read:?}"
    );
    assert_eq!(told, 0);
    let nobody = EventsWanted {
        kind: Some("nothing"),
        ..all
    };
    let read = reader.each_event(&nobody, |_| Ok(()));
    assert_damaged(read);
}

/// Before anything is asked for SQLite reads what a file defines.
#[test]
fn definitions_without_end_are_refused() {
    let folder = recorded();
    let mut prepared = Prepared::of(folder.path(), "sqlite_schema");
    // What is there stays, without the header of the file before it.
    let mut ours = prepared.page().to_vec();
    assert_eq!(ours[100], 5, "the first page leads to others");
    let pointers = 12 + 2 * usize::from(u16::from_be_bytes([ours[103], ours[104]]));
    ours.copy_within(100..100 + pointers, 0);
    let ours = prepared.append(&ours);
    // An index that comes with a table may be told again.
    let database = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    let name = "sqlite_autoindex_cards_1";
    let query = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let root: u16 = database.query_row(query, [name], |row| row.get(0)).unwrap();
    drop(database);
    let types = [6, 13 + 2 * 5, 13 + 2 * 24, 13 + 2 * 5, 2, 0];
    let row = [
        &types[..],
        b"index",
        name.as_bytes(),
        b"cards",
        &root.to_be_bytes(),
    ]
    .concat();
    let mut leaf = vec![0; PAGE];
    let place = PAGE - row.len() - 2;
    leaf[place..place + 2].copy_from_slice(&[u8::try_from(row.len()).unwrap(), 1]);
    leaf[place + 2..].copy_from_slice(&row);
    leaf[0] = 13;
    leaf[4] = 1;
    leaf[5..7].copy_from_slice(&at(place));
    leaf[8..10].copy_from_slice(&at(place));
    let leaf = prepared.append(&leaf);
    prepared.lead_to(folder.path(), leaf, Some(ours));
    assert_damaged(Reader::open(folder.path()));
}
