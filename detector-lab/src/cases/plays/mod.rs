//! What the cases do, each until the curtain falls. A play notes when each flag is due, where it can
//! know that; an honest one of the selftest notes when it has shown what it is about.

pub(super) mod containers;
pub(super) mod crafted;
pub(super) mod dialogues;
pub(super) mod hoards;
pub(super) mod honest;
pub(super) mod kernel;
pub(super) mod shared;
pub(super) mod small;
pub(super) mod tools;
