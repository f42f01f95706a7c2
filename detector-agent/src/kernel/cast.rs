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

const CALL: u8 = 0x85;
const MOVE_IMMEDIATE: u8 = 0xb7;
/// Source register of a call that says that the number is a kernel function's.
const PSEUDO_KFUNC_CALL: u8 = 2;
const INSTRUCTION_BYTES: usize = 8;

/// A copy of the object with its casts resolved, aligned as the loader asks; sets the type numbers
/// in the layout.
///
/// Without `may_cast` the object gets along without: for kernels that name the function and then
/// refuse its call.
pub(super) fn prepare(
    object: &[u8],
    types: &Btf,
    layout: &mut KernelLayout,
    may_cast: bool,
) -> Vec<u8> {
    let numbers = if may_cast { cast_numbers(types) } else { None };
    if let Some(numbers) = numbers {
        layout.tcp_sock_type = u64::from(numbers.tcp_sock);
        layout.tcphdr_type = u64::from(numbers.tcphdr);
    } else {
        tracing::debug!("this kernel has no bpf_rdonly_cast: packets are read through a helper");
    }
    let mut prepared = object.to_vec();
    let replacement = numbers.map_or_else(no_operation, |numbers| call_of(numbers.function));
    replace_calls(&mut prepared, replacement);
    prepared
}

/// BTF numbers on the running kernel.
#[derive(Clone, Copy)]
struct CastNumbers {
    function: u32,
    tcp_sock: u32,
    tcphdr: u32,
}

/// All three, or none.
fn cast_numbers(types: &Btf) -> Option<CastNumbers> {
    let number = |name, kind| types.id_by_type_name_kind(name, kind).ok();
    Some(CastNumbers {
        function: number("bpf_rdonly_cast", BtfKind::Func)?,
        tcp_sock: number("tcp_sock", BtfKind::Struct)?,
        tcphdr: number("tcphdr", BtfKind::Struct)?,
    })
}

fn call_of(function: u32) -> [u8; INSTRUCTION_BYTES] {
    let [a, b, c, d] = function.to_le_bytes();
    [CALL, PSEUDO_KFUNC_CALL << 4, 0, 0, a, b, c, d]
}

/// `r0 = 0`.
const fn no_operation() -> [u8; INSTRUCTION_BYTES] {
    [MOVE_IMMEDIATE, 0, 0, 0, 0, 0, 0, 0]
}

/// Replaces every call of our number. Instructions lie at multiples of eight in an object.
fn replace_calls(object: &mut [u8], replacement: [u8; INSTRUCTION_BYTES]) -> usize {
    let [a, b, c, d] = RDONLY_CAST_CALL.to_le_bytes();
    let wanted = [CALL, 0, 0, 0, a, b, c, d];
    let (instructions, _tail) = object.as_chunks_mut::<INSTRUCTION_BYTES>();
    let mut replaced = 0;
    for instruction in instructions {
        if *instruction == wanted {
            *instruction = replacement;
            replaced += 1;
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_object_has_calls_to_resolve_and_none_is_left() {
        let mut object = super::super::object::OBJECT.to_vec();
        assert!(replace_calls(&mut object, call_of(77)) >= 2);
        assert_eq!(replace_calls(&mut object, no_operation()), 0);
    }

    #[test]
    fn a_call_carries_the_number_and_the_mark_of_a_kernel_function() {
        assert_eq!(call_of(0x0102_0304), [0x85, 0x20, 0, 0, 4, 3, 2, 1]);
    }
}
