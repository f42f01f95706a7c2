//! Panics on purpose, so that a story sees what they leave of the terminal. Debug builds only.

/// Panics if `DETECTOR_TOP_PANICS` names this place; a release build does nothing.
#[allow(
    clippy::panic,
    reason = "the environment of a debug build asked for it"
)]
pub(super) fn panic_at(place: &str) {
    #[cfg(debug_assertions)]
    if std::env::var_os("DETECTOR_TOP_PANICS").is_some_and(|wanted| wanted == place) {
        panic!("asked to panic while {place}");
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
