//! Numbers with units, both ways: as people write them (`5s`, `256MiB`, `500B/s`, `0.4%`), and
//! rounded as they like to read them (`4.2 MB`, `12m 5s`).

mod parse;
mod quantity;
mod show;

pub use parse::{Part, Rate, Size, Span, parse_duration, parse_part, parse_rate, parse_size};
pub use quantity::{read_bytes, read_number, read_seconds};
pub use show::{bytes, measure, pace, percent, rate, seconds};
