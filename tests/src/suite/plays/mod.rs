//! The plays of the labelled scenarios: what each name in the table does.

pub(super) mod crafted;
pub(super) mod hoards;
pub(super) mod honest;
pub(super) mod kernel;
pub(super) mod tools;
