//! What somebody meant who slipped with the pen.

/// The known name nearest to `unknown`, if any is near enough to be meant.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (edit_distance(unknown, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .map(|(_, name)| name)
}

/// Characters to insert, remove or replace to get from one name to the other (Levenshtein).
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{edit_distance, nearest};

    #[test]
    fn a_slip_of_the_pen_finds_the_name_that_was_meant() {
        let names = ["stall_after", "dribble_floor", "dribble_over"];
        assert_eq!(
            nearest("stal_after", names.into_iter()),
            Some("stall_after")
        );
        assert_eq!(
            nearest("dribble_flor", names.into_iter()),
            Some("dribble_floor")
        );
        assert_eq!(nearest("colour", names.into_iter()), None);
    }

    #[test]
    fn distances_are_symmetric() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("sitting", "kitten"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
