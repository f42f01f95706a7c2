//! Kernel helpers, each behind a safe function.

use crate::connection::pending::Pending;
use crate::globals::global;
use crate::kernel_memory::KernelPointer;
use crate::maps::{OPENED, PENDING, RECORDS, VICTIMS};
use crate::record_pointer::RecordPointer;
use aya_ebpf::helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel, generated};
use aya_ebpf::programs::BtfTracePointContext;
use detector_common::direction::Opened;
use detector_common::names;
use detector_common::record::{ConnectionKey, ConnectionRecord};
use detector_common::victim::VictimRecord;

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn monotonic_ns() -> u64 {
    // SAFETY: the helper takes nothing and always succeeds.
    unsafe { bpf_ktime_get_ns() }
}

/// The kernel's clock ticks, as sockets keep them.
#[inline(always)]
pub fn jiffies() -> u32 {
    // SAFETY: as above.
    unsafe { generated::bpf_jiffies64() as u32 }
}

/// The full TCP socket behind a `struct sock_common`, or `None` for a request socket, a TIME-WAIT
/// socket or another protocol.
#[inline(always)]
pub fn tcp_sock(sock: KernelPointer) -> Option<KernelPointer> {
    // SAFETY: the verifier checks that the argument is a socket (`ARG_PTR_TO_BTF_ID_SOCK_COMMON`).
    let tcp = unsafe { generated::bpf_skc_to_tcp_sock(sock.as_ptr()) };
    let tcp = KernelPointer::new(tcp);
    if tcp.is_null() { None } else { Some(tcp) }
}

/// Gives a kernel address a BTF type, so that its fields can be loaded without a helper; the
/// verifier turns the call into a move. `type_number` must be a constant to the verifier.
///
/// Only reached where the agent found the kernel function and set the type numbers in
/// `DET_LAYOUT`; elsewhere the agent replaces the call and the verifier drops the branch.
#[inline(always)]
pub fn rdonly_cast(address: u64, type_number: u64) -> KernelPointer {
    type Cast = unsafe extern "C" fn(u64, u64) -> *const u8;
    // SAFETY: LLVM turns the call of a constant address into a call of that number, as for every
    // helper; the agent puts the kernel function's number in its place.
    let cast: Cast = unsafe { core::mem::transmute(names::RDONLY_CAST_CALL as usize) };
    // SAFETY: the kernel function only changes what the verifier knows.
    KernelPointer::new(unsafe { cast(address, type_number) })
}

/// Loads any eight bytes without a helper, where the kernel lets an address be cast: as the count of bytes
/// of a TCP socket that would begin so far before them.
///
/// A load of its own costs the check of its address, several instructions: one of eight bytes is cheaper than
/// two of their parts.
#[inline(always)]
pub fn load_eight_bytes(address: u64) -> Option<u64> {
    let type_number = global!(DET_LAYOUT.tcp_sock_type);
    if type_number == 0 {
        return None;
    }
    let before = global!(DET_LAYOUT.bytes_acked);
    let as_if = rdonly_cast(address.wrapping_sub(before), type_number);
    Some(as_if.load_u64(before))
}

/// Reads plain bytes at a kernel address that has no BTF type; `None` if the address faults.
#[inline(always)]
pub fn read_kernel<T: bytemuck::Pod>(address: u64) -> Option<T> {
    // SAFETY: the helper checks the address and reports a fault; `T` is plain bytes.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}

/// A copy of the segment that is put by for a connection.
#[inline(always)]
pub fn pending(key: ConnectionKey) -> Option<Pending> {
    // SAFETY: the verifier checks the pointer for null; the kernel keeps a map value while the program
    // runs, and integers are always values.
    PENDING
        .get_ptr(key)
        .map(|pending| unsafe { pending.read() })
}

/// A copy of what is noted under this key of a connection that left SYN-SENT.
#[inline(always)]
pub fn opened(key: ConnectionKey) -> Option<Opened> {
    // SAFETY: as above.
    OPENED.get_ptr(key).map(|opened| unsafe { opened.read() })
}

/// The `n`th argument of a tracepoint, as a kernel pointer whose type the verifier knows.
#[inline(always)]
pub fn argument(context: &BtfTracePointContext, n: usize) -> KernelPointer {
    KernelPointer::new::<u8>(context.arg(n))
}

const RECORD_BYTES: usize = size_of::<ConnectionRecord>();

/// Copies a record into the ring buffer. Returns whether there was room.
#[inline(always)]
pub fn send_record(record: &RecordPointer<'_>) -> bool {
    // `RingBuf::output` takes a reference, and map memory must not have one.
    // SAFETY: the verifier checks that the first argument is a map (`ARG_CONST_MAP_PTR`), as which
    // the loader fills in its address, and the readable length of the record.
    let status = unsafe {
        generated::bpf_ringbuf_output(
            (&raw const RECORDS).cast_mut().cast(),
            record.as_ptr().cast_mut().cast(),
            RECORD_BYTES as u64,
            0,
        )
    };
    status == 0
}

/// The task that runs, by number and by address.
#[inline(always)]
pub fn current_task() -> (u32, u64) {
    // SAFETY: the helper takes nothing and always succeeds.
    let number = unsafe { generated::bpf_get_current_pid_tgid() };
    // SAFETY: as above.
    let address = unsafe { generated::bpf_get_current_task() };
    (number as u32, address)
}

/// Copies a record into the ring buffer of victims. Returns whether there was room.
#[inline(always)]
pub fn send_victim(record: &VictimRecord) -> bool {
    VICTIMS.output::<VictimRecord>(record, 0).is_ok()
}

/// Appends a record to the output of an iterator. `Err` holds the helper's error number;
/// `-EOVERFLOW` means that the kernel will show the same object again with an empty buffer.
#[inline(always)]
pub fn seq_write(seq: KernelPointer, record: &RecordPointer<'_>) -> Result<(), i64> {
    // SAFETY: the verifier checks the sequence file and the readable length of the record.
    let status = unsafe {
        generated::bpf_seq_write(seq.as_ptr(), record.as_ptr().cast(), RECORD_BYTES as u32)
    };
    if status == 0 { Ok(()) } else { Err(status) }
}
