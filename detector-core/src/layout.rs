//! Resolves `KernelLayout` from BTF.
