//! What became of each field, and why a kernel cannot be used.

use super::rows::Need;
use crate::observe::btf::{BtfError, MemberError};
use detector_common::layout::{BitField, Offset};
use std::fmt;

/// What became of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldReport {
    /// Name of the struct or enumeration, without the word `struct` or `enum`.
    pub structure: &'static str,
    /// Path of the member in it, names separated by dots; of an enumeration, the value.
    pub path: &'static str,
    /// Whether it is a value of an enumeration and no field at all.
    pub is_enumerator: bool,
    /// How much depends on it.
    pub need: Need,
    /// Where it is, or why it cannot be used.
    pub outcome: Result<FieldPlace, FieldError>,
}

/// Where a field lies in its struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldPlace {
    /// Bytes from the start of the struct.
    Byte(Offset),
    /// A bit field in one byte.
    Bits(BitField),
    /// Only that it is there matters.
    Present,
}

/// Why a field cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// This kernel does not have it.
    Missing(MemberError),
    /// It is there, and is not what the kernel side would load.
    Unexpected {
        /// What the kernel side takes it for.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(cause) => write!(f, "{cause}"),
            Self::Unexpected { expected, found } => {
                write!(f, "expected a {expected}, found {found}")
            }
        }
    }
}

impl FieldReport {
    /// True if the agent cannot start because of this field: a required one that is missing, or
    /// any but a variant that is not what the kernel side would load.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match &self.outcome {
            Ok(_) => false,
            Err(_) if self.need == Need::Variant => false,
            Err(FieldError::Unexpected { .. }) => true,
            Err(FieldError::Missing(cause)) => {
                self.need == Need::Required
                    || matches!(cause, MemberError::Ambiguous | MemberError::Malformed(_))
            }
        }
    }
}

impl fmt::Display for FieldReport {
    /// `struct tcp_sock.snd_wnd: at 1436`, `enum skb_drop_reason.…: present`, or the reason why it cannot be used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_enumerator { "enum" } else { "struct" };
        write!(f, "{word} {}.{}: ", self.structure, self.path)?;
        match &self.outcome {
            Ok(FieldPlace::Byte(offset)) => write!(f, "at {offset}"),
            Ok(FieldPlace::Bits(bits)) => write!(
                f,
                "at {}, {} bits from bit {}",
                bits.offset,
                bits.mask.count_ones(),
                bits.shift
            ),
            Ok(FieldPlace::Present) => write!(f, "present"),
            Err(reason) => write!(f, "{reason}"),
        }
    }
}

/// Why there is no layout for this kernel. The caller adds kernel release and BTF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// At least one field is missing or not what the kernel side would load.
    Fields(Vec<FieldReport>),
    /// The kernel has no tracepoint of that name for BPF programs.
    NoTracepoint {
        /// Name of the tracepoint.
        name: &'static str,
    },
    /// The kernel's description of a tracepoint cannot be read.
    Tracepoint {
        /// Name of the tracepoint.
        name: &'static str,
        /// What is wrong with it.
        cause: BtfError,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(reports) => {
                write!(f, "kernel fields cannot be used: ")?;
                for (index, report) in reports.iter().enumerate() {
                    write!(f, "{}{report}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::NoTracepoint { name } => write!(f, "the kernel has no tracepoint {name}"),
            Self::Tracepoint { name, .. } => {
                write!(f, "the arguments of tracepoint {name} cannot be read")
            }
        }
    }
}

impl LayoutError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Fields(_) => {
                "this kernel's TCP structures are laid out in a way this release does not know: \
                 install a newer detector, or report the names above with `uname -r`"
            }
            Self::NoTracepoint { .. } | Self::Tracepoint { .. } => {
                "run a kernel with CONFIG_INET, CONFIG_BPF_EVENTS and CONFIG_DEBUG_INFO_BTF"
            }
        }
    }
}

impl std::error::Error for LayoutError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tracepoint { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
