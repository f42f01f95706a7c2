//! TCP options as the kernel reads them.

/// There is no timestamp among the options.
pub const NO_TIMESTAMP: i64 = -1;
/// The options cannot be read, or are more than [`MAX_OPTIONS`].
pub const UNREAD: i64 = -2;

/// How many options are looked at; each costs the verifier some 600 steps. Common stacks send six at
/// most: two NOPs and a timestamp, two NOPs and a selective acknowledgement.
pub const MAX_OPTIONS: u32 = 12;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const TIMESTAMP: u8 = 8;
/// Kind, length, value, echo.
const TIMESTAMP_BYTES: u8 = 10;

/// Timestamp value among the options from address `start` up to `end`: wherever it stands, the last
/// one if there are several (`tcp_parse_options`); or one of the two numbers above.
///
/// `read` gives the eight bytes at an address, also beyond the options, which are not looked at; or
/// nothing. For the verifier: a number and no enum comes back, as a BPF function has one register for
/// it; there is no array of bytes, as before 5.12 no place of the stack may be unknown; and addresses
/// are counted and only compared by their distance, as it knows nothing of an address and so has one
/// way around the loop to follow.
#[inline]
#[must_use]
pub fn timestamp(start: u64, end: u64, read: impl Fn(u64) -> Option<[u8; 8]>) -> i64 {
    let mut found = NO_TIMESTAMP;
    let mut address = start;
    for _ in 0..MAX_OPTIONS {
        let left = end.wrapping_sub(address).cast_signed();
        if left <= 0 {
            return found;
        }
        let Some([kind, size, value @ .., _, _]) = read(address) else {
            return UNREAD;
        };
        if kind == END {
            return found;
        }
        if kind == NO_OPERATION {
            address = address.wrapping_add(1);
            continue;
        }
        // The second byte may lie beyond already; then so does the end.
        if size < 2 || i64::from(size) > left {
            return found;
        }
        address = address.wrapping_add(u64::from(size));
        if kind == TIMESTAMP && size == TIMESTAMP_BYTES {
            found = i64::from(u32::from_be_bytes(value));
        }
    }
    if address == end { found } else { UNREAD }
}
