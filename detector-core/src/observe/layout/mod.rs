//! Finds the kernel fields that the kernel side reads, by name, in the kernel's BTF.
//!
//! In: [`Btf`]. Out: [`KernelLayout`], and one [`FieldReport`] for each field asked for, so that
//! `detector check` can show them all. Never: a guess. A required field that is missing, or a
//! field of another size than the kernel side loads, is an error that names it. Which form of a
//! test a kernel makes is told by names too, of fields or of values of enumerations.
//!
//! Offsets under `struct sock_common` and `struct sock` are used on a `struct tcp_sock`, which
//! begins with them; the rows marked as anchors check that it does.

mod report;
mod rows;

pub use report::{FieldError, FieldPlace, FieldReport, LayoutError};
pub use rows::Need;

use crate::observe::btf::{Btf, Kind, Member, MemberError, MemberKind, POINTER_BYTES, Width};
use detector_common::layout::{BitField, KernelLayout};
use rows::Shape::{Anchor, Bits, Block, Enumerator, Exists, Integer, Pointer};
use rows::{ROWS, Row, Shape};

/// The BTF tracepoints that the kernel side attaches to.
/// [`Btf::tracepoint_arguments`] tells whether a kernel has them.
pub const TRACEPOINTS: [&str; 3] = ["tcp_probe", RETRANSMIT_TRACEPOINT, "inet_sock_set_state"];

/// The tracepoint that some kernels give a task and others its number; the agent can do without it.
pub const VICTIM_TRACEPOINT: &str = "mark_victim";

/// The tracepoint that got a third argument, `err`, in later kernels.
const RETRANSMIT_TRACEPOINT: &str = "tcp_retransmit_skb";

/// All that was found out about a kernel's layout.
#[derive(Clone, Debug)]
pub struct Survey {
    /// One entry for each field, in the order of the table, whether found or not.
    pub fields: Vec<FieldReport>,
    /// The layout, if the kernel is one the agent can run on.
    pub layout: Result<KernelLayout, LayoutError>,
}

/// Looks up every field, also past the first one that cannot be used.
///
/// Costs some 40 searches of a struct, a few milliseconds for a distribution's kernel.
#[must_use]
pub fn survey(btf: &Btf<'_>) -> Survey {
    let mut layout = KernelLayout::UNSET;
    let fields: Vec<FieldReport> = ROWS
        .iter()
        .map(|row| look_up(btf, row, &mut layout))
        .collect();
    let fatal: Vec<FieldReport> = fields
        .iter()
        .filter(|report| report.is_fatal())
        .cloned()
        .collect();
    let layout = if fatal.is_empty() {
        retransmit_has_err(btf).map(|has_err| {
            layout.retransmit_has_err = u64::from(has_err);
            layout.victim_is_task = u64::from(victim_is_task(btf));
            layout
        })
    } else {
        Err(LayoutError::Fields(fatal))
    };
    Survey { fields, layout }
}

/// The layout of the kernel that `btf` describes.
///
/// # Errors
///
/// Names every required field that is missing and every field that is not as expected.
pub fn resolve(btf: &Btf<'_>) -> Result<KernelLayout, LayoutError> {
    survey(btf).layout
}

/// Struct and path of every field asked for; an extract of a kernel's BTF must contain these.
pub fn wanted_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter()
        .filter(|row| !row.is_enumerator())
        .map(|row| (row.structure, row.path))
}

/// Enumeration and name of every value asked for.
pub fn wanted_enumerators() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter()
        .filter(|row| row.is_enumerator())
        .map(|row| (row.structure, row.path))
}

fn look_up(btf: &Btf<'_>, row: &Row, layout: &mut KernelLayout) -> FieldReport {
    let outcome = if row.is_enumerator() {
        enumerator(btf, row)
    } else {
        field(btf, row)
    };
    match (row.shape, &outcome) {
        (Integer(_, slot) | Block(_, slot) | Pointer(slot), Ok(FieldPlace::Byte(offset))) => {
            *slot(layout) = *offset;
        }
        (Bits(_, slot), Ok(FieldPlace::Bits(bits))) => *slot(layout) = *bits,
        (Exists(slot) | Enumerator(slot), Ok(FieldPlace::Present)) => *slot(layout) = 1,
        // Stays absent, or is checked and not read.
        _ => {}
    }
    FieldReport {
        structure: row.structure,
        path: row.path,
        is_enumerator: row.is_enumerator(),
        need: row.need,
        outcome,
    }
}

fn field(btf: &Btf<'_>, row: &Row) -> Result<FieldPlace, FieldError> {
    let member = btf
        .member(row.structure, row.path)
        .map_err(FieldError::Missing)?;
    place(row.shape, member).ok_or_else(|| FieldError::Unexpected {
        expected: format!("{:?}", row.shape),
        found: describe(member),
    })
}

fn enumerator(btf: &Btf<'_>, row: &Row) -> Result<FieldPlace, FieldError> {
    if btf.has_enumerator(row.structure, row.path) {
        return Ok(FieldPlace::Present);
    }
    let member = row.path.to_owned();
    Err(FieldError::Missing(MemberError::NoSuchMember { member }))
}

/// Where the member lies, or `None` if it is not of that shape.
fn place(shape: Shape, member: Member) -> Option<FieldPlace> {
    let fits = match shape {
        Bits(at_least, _) => return bits_in_byte(member, at_least).map(FieldPlace::Bits),
        Integer(bytes, _) => {
            member.kind == MemberKind::Integer && member.width == Width::Bytes(bytes)
        }
        Pointer(_) => {
            member.kind == MemberKind::Pointer && member.width == Width::Bytes(POINTER_BYTES)
        }
        Block(bytes, _) => {
            member.kind == MemberKind::Aggregate && member.width == Width::Bytes(bytes)
        }
        Anchor => member.offset_bits == 0,
        Exists(_) | Enumerator(_) => return Some(FieldPlace::Present),
    };
    (fits && member.offset_bits.is_multiple_of(8)).then(|| FieldPlace::Byte(member.offset_bytes()))
}

/// Little-endian: bit 0 of a byte is its lowest.
fn bits_in_byte(member: Member, at_least: u32) -> Option<BitField> {
    let width = match member.width {
        Width::Bits(bits) => bits,
        Width::Bytes(1) => 8,
        Width::Bytes(_) => return None,
    };
    let shift = u32::try_from(member.offset_bits % 8).ok()?;
    let fits = member.kind == MemberKind::Integer && width >= at_least && shift + width <= 8;
    fits.then(|| BitField {
        offset: member.offset_bytes(),
        shift,
        mask: (1 << width) - 1,
    })
}

fn describe(member: Member) -> String {
    let kind = match member.kind {
        MemberKind::Integer => "an integer",
        MemberKind::Pointer => "a pointer",
        MemberKind::Aggregate => "a struct, union or array",
    };
    let offset = member.offset_bytes();
    match member.width {
        Width::Bytes(bytes) => format!("{kind} of {bytes} bytes at {offset}"),
        Width::Bits(bits) => {
            format!(
                "a bit field of {bits} bits at {offset}, bit {}",
                member.offset_bits % 8
            )
        }
    }
}

/// True if the tracepoint's third argument is `int err`: kernels that have it also fire on
/// segments that could not be sent.
fn retransmit_has_err(btf: &Btf<'_>) -> Result<bool, LayoutError> {
    let name = RETRANSMIT_TRACEPOINT;
    let unreadable = |cause| LayoutError::Tracepoint { name, cause };
    let arguments = btf
        .tracepoint_arguments(name)
        .map_err(unreadable)?
        .ok_or(LayoutError::NoTracepoint { name })?;
    let Some(&third) = arguments.get(2) else {
        return Ok(false);
    };
    let size_bytes = btf.size_bytes(third).map_err(unreadable)?;
    Ok(size_bytes == 4)
}

/// True if the tracepoint's first argument is a task and not its number.
fn victim_is_task(btf: &Btf<'_>) -> bool {
    let arguments = btf.tracepoint_arguments(VICTIM_TRACEPOINT);
    let first = arguments
        .ok()
        .flatten()
        .and_then(|all| all.first().copied());
    let kind = first.and_then(|first| btf.strip_modifiers(first).ok());
    kind.is_some_and(|first| first.kind == Kind::Pointer)
}

#[cfg(test)]
mod tests;
