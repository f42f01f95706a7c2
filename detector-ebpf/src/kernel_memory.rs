//! Typed loads from kernel structs: one load instruction each, no helper call.
//!
//! A [`KernelPointer`] is a pointer the verifier knows the BTF type of. Adding a constant from
//! `DET_LAYOUT` keeps that knowledge, and `btf_struct_access` checks that the load lies within one
//! field. A fault (a pointer that went stale) reads as zero. No reference to kernel memory is ever
//! formed.

use core::ptr::read_volatile;

/// A pointer to a kernel struct that the verifier tracks.
#[derive(Clone, Copy)]
pub struct KernelPointer(*const u8);

impl KernelPointer {
    /// Takes over a pointer from a context argument or a helper.
    #[inline(always)]
    pub fn new<T>(pointer: *const T) -> Self {
        Self(pointer.cast())
    }

    /// Whether it is null.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The pointer, for a helper call.
    #[inline(always)]
    pub fn as_ptr<T>(self) -> *mut T {
        self.0.cast_mut().cast()
    }

    /// Its address as an opaque number.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    fn at<T>(self, offset: u64) -> *const T {
        self.0.wrapping_add(offset as usize).cast()
    }

    /// Loads one byte.
    #[inline(always)]
    pub fn load_u8(self, offset: u64) -> u8 {
        // SAFETY: the verifier checks the load against the BTF type (`btf_struct_access`).
        unsafe { read_volatile(self.at(offset)) }
    }

    /// Loads two bytes.
    #[inline(always)]
    pub fn load_u16(self, offset: u64) -> u16 {
        // SAFETY: the verifier checks the load against the BTF type (`btf_struct_access`).
        unsafe { read_volatile(self.at(offset)) }
    }

    /// Loads four bytes.
    #[inline(always)]
    pub fn load_u32(self, offset: u64) -> u32 {
        // SAFETY: the verifier checks the load against the BTF type (`btf_struct_access`).
        unsafe { read_volatile(self.at(offset)) }
    }

    /// Loads eight bytes.
    #[inline(always)]
    pub fn load_u64(self, offset: u64) -> u64 {
        // SAFETY: the verifier checks the load against the BTF type (`btf_struct_access`).
        unsafe { read_volatile(self.at(offset)) }
    }

    /// Loads a pointer; the verifier takes its type from BTF.
    #[inline(always)]
    pub fn load_pointer(self, offset: u64) -> Self {
        // SAFETY: the verifier checks the load against the BTF type (`btf_struct_access`).
        Self(unsafe { read_volatile(self.at(offset)) })
    }
}
