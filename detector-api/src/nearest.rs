//! The known name that a mistyped one was meant to be.

/// The known name nearest to `unknown`, if any is near enough to be meant.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::levenshtein(unknown, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_pen_finds_the_name_that_was_meant() {
        let names = ["stall_after", "dribble_floor", "dribble_over"];
        for (typed, meant) in [
            ("stal_after", Some("stall_after")),
            ("dribble_flor", Some("dribble_floor")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, names.into_iter()), meant);
        }
    }
}
