//! What no record of the kernel side can be.

use super::RECORD_BYTES;
use std::fmt;
use std::net::IpAddr;

/// Why a record was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes are no whole record.
    Length {
        /// How many bytes there were.
        actual_bytes: usize,
    },
    /// A byte that stands for one of few values holds none of them.
    UnknownNumber {
        /// Field of the record.
        field: &'static str,
        /// What it held.
        value: u8,
    },
    /// A moment or duration that cannot be.
    ImpossibleTime {
        /// Field of the record.
        field: &'static str,
        /// What it held.
        value_ns: u64,
    },
    /// A size or port that cannot be.
    ImpossibleNumber {
        /// Field of the record.
        field: &'static str,
        /// What it held.
        value: u64,
    },
    /// An address that no connection can have.
    ImpossibleAddress {
        /// Field of the record.
        field: &'static str,
        /// What it held.
        value: IpAddr,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { actual_bytes } => {
                write!(
                    formatter,
                    "record of {actual_bytes} bytes, want {RECORD_BYTES}"
                )
            }
            Self::UnknownNumber { field, value } => {
                write!(formatter, "record field {field}: unknown number {value}")
            }
            Self::ImpossibleTime { field, value_ns } => {
                write!(
                    formatter,
                    "record field {field}: impossible time {value_ns} ns"
                )
            }
            Self::ImpossibleNumber { field, value } => {
                write!(formatter, "record field {field}: impossible number {value}")
            }
            Self::ImpossibleAddress { field, value } => {
                write!(
                    formatter,
                    "record field {field}: impossible address {value}"
                )
            }
        }
    }
}

impl std::error::Error for DecodeError {}
