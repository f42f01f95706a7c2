//! The walk through TCP options against a slow parser that keeps a list.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_common::options::{self, MAX_OPTIONS, NO_TIMESTAMP, UNREAD};
use proptest::prelude::*;

/// Kind and content of each option, as far as the list can be read, and whether it was read to its
/// end.
fn parse(mut bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, bool) {
    let mut options = Vec::new();
    while let Some((&kind, rest)) = bytes.split_first() {
        if options.len() == MAX_OPTIONS as usize {
            return (options, false);
        }
        let size = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(rest.first().copied().unwrap_or(0)),
        };
        if size > bytes.len() || size < 2 && kind != 1 {
            break;
        }
        options.push((kind, bytes[size.min(2)..size].to_vec()));
        bytes = &bytes[size..];
    }
    (options, true)
}

/// A TCP header has room for that many.
const MAX_BYTES: usize = 40;

/// An address near the end of memory is as good as any other.
const START: u64 = u64::MAX - 60;

/// What the walk finds in these options, which have other bytes behind them.
fn walk(bytes: &[u8; MAX_BYTES], length: usize) -> i64 {
    let read = |address: u64| {
        let place = usize::try_from(address - START).unwrap();
        let mut chunk = [8, 10, 1, 1, 1, 1, 1, 1];
        for (to, from) in chunk.iter_mut().zip(&bytes[place..]) {
            *to = *from;
        }
        Some(chunk)
    };
    options::timestamp(START, START + u64::try_from(length).unwrap(), read)
}

fn model(bytes: &[u8]) -> i64 {
    let (options, is_whole) = parse(bytes);
    if !is_whole {
        return UNREAD;
    }
    let mut stamps = options
        .iter()
        .filter(|(kind, content)| *kind == 8 && content.len() == 8);
    stamps.next_back().map_or(NO_TIMESTAMP, |(_, content)| {
        i64::from(u32::from_be_bytes(*content.first_chunk().unwrap()))
    })
}

/// Options of every kind, whole and broken ones.
fn option() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(vec![1]),
        1 => Just(vec![0]),
        4 => any::<[u8; 8]>().prop_map(|content| [&[8, 10], &content[..]].concat()),
        2 => Just(vec![4, 2]),
        2 => any::<[u8; 8]>().prop_map(|content| [&[5, 10], &content[..]].concat()),
        1 => any::<(u8, u8)>().prop_map(|(kind, size)| vec![kind, size]),
        1 => any::<u8>().prop_map(|size| vec![8, size, 1, 2, 3]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn both_find_the_same_timestamp(
        options in prop::collection::vec(option(), 0..20),
        behind in any::<[u8; MAX_BYTES]>(),
        length in 0..=MAX_BYTES,
    ) {
        let mut bytes = behind;
        for (byte, option) in bytes.iter_mut().zip(options.concat()) {
            *byte = option;
        }
        // What lies behind the options is never looked at.
        prop_assert_eq!(walk(&bytes, length), model(&bytes[..length]));
    }

    #[test]
    fn any_bytes_are_read_alike(bytes in any::<[u8; MAX_BYTES]>(), length in 0..=MAX_BYTES) {
        prop_assert_eq!(walk(&bytes, length), model(&bytes[..length]));
    }
}

#[test]
fn options_that_cannot_be_read_are_no_missing_timestamp() {
    assert_eq!(options::timestamp(0, 12, |_| None), UNREAD);
}
