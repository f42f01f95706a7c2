//! What the cases do, each until the curtain falls. A play notes when a flag is due of it, if it can
//! tell; an honest one of the selftest tells when it has shown what it is about.

pub(super) mod crafted;
pub(super) mod hoards;
pub(super) mod honest;
pub(super) mod kernel;
pub(super) mod tools;
