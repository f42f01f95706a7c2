//! Reader of the kernel's BTF.
