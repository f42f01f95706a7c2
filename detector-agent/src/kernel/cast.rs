//! Lets the hot path load packet and socket fields without a helper call, where the kernel can.
//!
//! From 6.2 on the kernel function `bpf_rdonly_cast` gives an address a BTF type; the verifier
//! turns the call into a move. aya does not resolve calls of kernel functions, so the object calls
//! a number of ours (`names::RDONLY_CAST_CALL`), and this module puts the running kernel's number
//! in its place. On older kernels it puts a harmless move there, in branches that the type number 0
//! makes the verifier drop.

use aya::Btf;
use aya_obj::btf::BtfKind;
use detector_common::layout::KernelLayout;
use detector_common::names::RDONLY_CAST_CALL;
use object::{Object as _, ObjectSection as _, SectionKind};
use std::fmt;
use std::ops::Range;

const CALL: u8 = 0x85;
const MOVE_IMMEDIATE: u8 = 0xb7;
/// Source register of a call that says that the number is a kernel function's.
const PSEUDO_KFUNC_CALL: u8 = 2;
const INSTRUCTION_BYTES: usize = 8;

type Instruction = [u8; INSTRUCTION_BYTES];

/// Calls in the object in the tree: one for the socket, one for the packet, one for two fields at once.
/// Another number means that the compiler has copied or dropped one, or that the bytes were found where
/// they are no call.
const CALLS: usize = 3;

/// Why the object's casts cannot be resolved.
#[derive(Debug)]
pub(super) enum CastError {
    /// It is no ELF object.
    Unreadable { cause: object::Error },
    /// Its programs call for another number of casts than [`CALLS`].
    Calls { found: usize },
}

impl fmt::Display for CastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { .. } => write!(f, "the eBPF object cannot be read"),
            Self::Calls { found } => {
                write!(f, "the eBPF object has {found} casts, expected {CALLS}")
            }
        }
    }
}

impl std::error::Error for CastError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { cause } => Some(cause),
            Self::Calls { .. } => None,
        }
    }
}

/// A copy of the object with its casts resolved, aligned as the loader asks; sets the type number
/// in the layout.
///
/// Without `may_cast` the object gets along without: for kernels that name the function and then
/// refuse its call.
pub(super) fn prepare(
    object: &[u8],
    types: &Btf,
    layout: &mut KernelLayout,
    may_cast: bool,
) -> Result<Vec<u8>, CastError> {
    let numbers = if may_cast { cast_numbers(types) } else { None };
    if let Some(numbers) = numbers {
        layout.tcp_sock_type = u64::from(numbers.tcp_sock);
    } else {
        tracing::debug!("this kernel has no bpf_rdonly_cast: packets are read through a helper");
    }
    let replacement = numbers.map_or(NO_OPERATION, |numbers| call_of(numbers.function));
    with_calls_replaced(object, replacement)
}

/// BTF numbers on the running kernel.
#[derive(Clone, Copy)]
struct CastNumbers {
    function: u32,
    tcp_sock: u32,
}

/// Both, or none.
fn cast_numbers(types: &Btf) -> Option<CastNumbers> {
    let number = |name, kind| types.id_by_type_name_kind(name, kind).ok();
    Some(CastNumbers {
        function: number("bpf_rdonly_cast", BtfKind::Func)?,
        tcp_sock: number("tcp_sock", BtfKind::Struct)?,
    })
}

fn call_of(function: u32) -> Instruction {
    let [a, b, c, d] = function.to_le_bytes();
    [CALL, PSEUDO_KFUNC_CALL << 4, 0, 0, a, b, c, d]
}

/// `r0 = 0`.
const NO_OPERATION: Instruction = [MOVE_IMMEDIATE, 0, 0, 0, 0, 0, 0, 0];

/// The call that stands for a cast in the object.
const fn call_of_ours() -> Instruction {
    let [a, b, c, d] = RDONLY_CAST_CALL.to_le_bytes();
    [CALL, 0, 0, 0, a, b, c, d]
}

/// A copy of the object with every call of our number replaced, if there are as many as there
/// should be.
fn with_calls_replaced(object: &[u8], replacement: Instruction) -> Result<Vec<u8>, CastError> {
    let sections = program_sections(object).map_err(|cause| CastError::Unreadable { cause })?;
    let mut replaced = object.to_vec();
    let mut found = 0;
    for section in sections {
        let bytes = replaced.get_mut(section).unwrap_or_default();
        // Instructions lie at multiples of eight from the start of their section.
        let (instructions, _tail) = bytes.as_chunks_mut::<INSTRUCTION_BYTES>();
        for instruction in instructions {
            if *instruction == call_of_ours() {
                *instruction = replacement;
                found += 1;
            }
        }
    }
    if found == CALLS {
        Ok(replaced)
    } else {
        Err(CastError::Calls { found })
    }
}

/// Where the instructions lie in the object: data may hold the same bytes and mean something else.
fn program_sections(object: &[u8]) -> Result<Vec<Range<usize>>, object::Error> {
    let file = object::File::parse(object)?;
    let sections = file.sections();
    let programs = sections.filter(|section| section.kind() == SectionKind::Text);
    Ok(programs
        .filter_map(|section| {
            let (start, bytes) = section.file_range()?;
            let end = start.checked_add(bytes)?;
            Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        })
        .collect())
}

#[cfg(test)]
mod tests;
