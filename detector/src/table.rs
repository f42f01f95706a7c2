//! Aligned columns for a terminal.

use unicode_width::UnicodeWidthStr;

/// Side on which the cells of a column line up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// One column of a table over rows of type `T`.
pub(crate) struct Column<T> {
    /// Heading.
    pub(crate) title: &'static str,
    /// Alignment.
    pub(crate) align: Align,
    /// 0 stays always; of the others the highest goes first where the terminal is narrow.
    pub(crate) dispensable: u8,
    /// Text of a cell, scrubbed.
    pub(crate) cell: fn(&T) -> String,
}

/// Spaces between two columns.
const GAP: usize = 2;

/// Headings and one line a row; as many columns as fit into `width` (all if there is none).
pub(crate) fn render<T>(columns: &[Column<T>], rows: &[T], width: Option<usize>) -> String {
    let mut shown: Vec<ShownColumn> = columns.iter().map(|column| show(column, rows)).collect();
    while let Some(width) = width {
        let total: usize = shown.iter().map(|column| column.width + GAP).sum();
        let dispensable = shown
            .iter()
            .enumerate()
            .filter(|(_, column)| column.dispensable > 0)
            .max_by_key(|(_, column)| column.dispensable);
        match dispensable {
            Some((index, _)) if total.saturating_sub(GAP) > width => drop(shown.remove(index)),
            _ => break,
        }
    }
    let mut text = String::new();
    for line in 0..=rows.len() {
        push_line(&mut text, &shown, line);
    }
    text
}

struct ShownColumn {
    align: Align,
    dispensable: u8,
    width: usize,
    /// The heading, then each row.
    cells: Vec<String>,
}

fn show<T>(column: &Column<T>, rows: &[T]) -> ShownColumn {
    let mut cells = vec![column.title.to_owned()];
    cells.extend(rows.iter().map(column.cell));
    ShownColumn {
        align: column.align,
        dispensable: column.dispensable,
        width: cells.iter().map(|cell| cell.width()).max().unwrap_or(0),
        cells,
    }
}

fn push_line(text: &mut String, columns: &[ShownColumn], line: usize) {
    let start = text.len();
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let cell = &column.cells[line];
        let padding = " ".repeat(column.width - cell.width());
        match column.align {
            Align::Left => *text += &format!("{cell}{padding}"),
            Align::Right => *text += &format!("{padding}{cell}"),
        }
    }
    text.truncate(start + text[start..].trim_end().len());
    text.push('\n');
}

/// Columns of the terminal on stdout; `None` if stdout is none.
pub(crate) fn terminal_width() -> Option<usize> {
    use std::io::IsTerminal;
    let is_terminal = std::io::stdout().is_terminal();
    let size = terminal_size::terminal_size().filter(|_| is_terminal);
    size.map(|(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::{Align, Column, render};

    const COLUMNS: [Column<(&str, u64)>; 3] = [
        Column {
            title: "NAME",
            align: Align::Left,
            dispensable: 0,
            cell: |row| row.0.to_owned(),
        },
        Column {
            title: "N",
            align: Align::Right,
            dispensable: 1,
            cell: |row| row.1.to_string(),
        },
        Column {
            title: "TWICE",
            align: Align::Right,
            dispensable: 2,
            cell: |row| (2 * row.1).to_string(),
        },
    ];

    #[test]
    fn columns_line_up_also_with_wide_characters() {
        let rows = [("a", 7), ("漢字名", 1234)];
        let expected = "NAME       N  TWICE\na          7     14\n漢字名  1234   2468\n";
        assert_eq!(render(&COLUMNS, &rows, None), expected);
    }

    #[test]
    fn a_narrow_terminal_loses_dispensable_columns_first() {
        let rows = [("abcdef", 7)];
        assert_eq!(
            render(&COLUMNS, &rows, Some(16)),
            "NAME    N  TWICE\nabcdef  7     14\n"
        );
        assert_eq!(render(&COLUMNS, &rows, Some(15)), "NAME    N\nabcdef  7\n");
        assert_eq!(render(&COLUMNS, &rows, Some(1)), "NAME\nabcdef\n");
    }
}
