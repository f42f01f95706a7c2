//! Texts in aligned columns.

use detector_client::columns::width_of;

/// Lines of `rows` below `headings`; nothing without rows.
pub(super) fn grid<const N: usize>(headings: &[&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| width_of(&row[column]));
        cells.chain([headings[column].len()]).max().unwrap_or(0)
    });
    let headings = headings.map(str::to_owned);
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += cell;
            line.extend(std::iter::repeat_n(
                ' ',
                width.saturating_sub(width_of(cell)) + 2,
            ));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(
            grid(&["A", "LONG"], &[row("日本", "x"), row("y", "")]),
            "A     LONG\n日本  x\ny\n"
        );
        assert_eq!(grid(&["A"], &[]), "");
    }
}
