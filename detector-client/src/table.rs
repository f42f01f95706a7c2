//! Aligned columns for a terminal: fitted, cut with care, coloured where that helps.

use crate::columns::{
    Align, Column, Context, GAP, Measure, Row, Value, fit, truncate_cell, width_of,
};
use detector_api::snapshot::Severity;
use std::io::IsTerminal;

/// What the place where a table is shown can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; `None` where it is none, and nothing is cut.
    pub width: Option<usize>,
    /// Whether colours are wanted.
    pub has_colours: bool,
    /// What stands for what was cut off.
    pub ellipsis: char,
}

impl Look {
    /// Of stdout.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            width: terminal_width(),
            has_colours: is_terminal && wants_colours(),
            ellipsis: if is_utf8() { '…' } else { '~' },
        }
    }
}

impl Look {
    /// Name of a severity, in its colour.
    pub fn severity(self, severity: Severity) -> String {
        let label = severity.label();
        let tone = match severity {
            Severity::Info => Tone::Plain,
            Severity::Warning => Tone::Warning,
            Severity::Critical => Tone::Critical,
        };
        self.coloured(label, tone)
    }

    fn coloured(self, text: &str, tone: Tone) -> String {
        match tone.codes().filter(|_| self.has_colours) {
            Some(codes) => format!("{codes}{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

/// Not with `NO_COLOR` set to anything, nor on a terminal that is said to be dumb.
fn wants_colours() -> bool {
    let is_forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_forbidden && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Whether the locale says that the terminal reads UTF-8.
fn is_utf8() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let mut said = said
        .filter_map(std::env::var_os)
        .filter(|value| !value.is_empty());
    said.next().is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Colour of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tone {
    #[default]
    Plain,
    Heading,
    Warning,
    Critical,
}

impl Tone {
    /// Works on light and dark grounds: no background, no bright colours, and none of the pale
    /// ones; a test of the colours of `detector top` has the numbers.
    const fn codes(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Heading => Some("\u{1b}[1m"),
            Self::Warning => Some("\u{1b}[35m"),
            Self::Critical => Some("\u{1b}[1;31m"),
        }
    }

    /// Levels are coloured, nothing else.
    fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Level(_, 1) => Self::Warning,
            Value::Level(_, 2) => Self::Critical,
            _ => Self::Plain,
        }
    }
}

struct Cell {
    text: String,
    tone: Tone,
}

struct Strip {
    align: Align,
    measure: Measure,
    /// The heading, then each row.
    cells: Vec<Cell>,
}

/// Headings and one line a row.
///
/// With `is_whole` no column is left out, also where the terminal is too narrow for all.
pub fn render<R: Row>(
    columns: &[(&'static str, &Column<R>)],
    rows: &[R],
    context: &Context,
    look: Look,
    is_whole: bool,
) -> String {
    let strip = |(heading, column): &(&'static str, &Column<R>)| {
        let mut cells = vec![heading_cell(heading)];
        cells.extend(rows.iter().map(|row| {
            let value = (column.value)(row, context);
            Cell {
                tone: Tone::of(&value),
                text: value.to_string(),
            }
        }));
        let mut measure = Measure::of(column, widest(&cells));
        if is_whole {
            measure.dispensable = 0;
        }
        Strip {
            align: column.align,
            measure,
            cells,
        }
    };
    lines(&columns.iter().map(strip).collect::<Vec<_>>(), look)
}

/// Headings and one line a row, of text that is not to be cut.
pub fn render_text<const COLUMNS: usize>(
    headings: [&'static str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> String {
    let strip = |(place, heading): (usize, &'static str)| {
        let mut cells = vec![heading_cell(heading)];
        cells.extend(rows.iter().map(|row| Cell {
            text: row[place].clone(),
            tone: Tone::Plain,
        }));
        let content = widest(&cells);
        let measure = Measure {
            content,
            ideal: content,
            min: content,
            dispensable: 0,
        };
        Strip {
            align: Align::Left,
            measure,
            cells,
        }
    };
    let strips: Vec<_> = headings.into_iter().enumerate().map(strip).collect();
    let look = Look {
        width: None,
        has_colours: false,
        ellipsis: '~',
    };
    lines(&strips, look)
}

fn heading_cell(heading: &str) -> Cell {
    Cell {
        text: heading.to_owned(),
        tone: Tone::Heading,
    }
}

fn widest(cells: &[Cell]) -> usize {
    let widths = cells.iter().map(|cell| width_of(&cell.text));
    widths.max().unwrap_or(0)
}

fn lines(strips: &[Strip], look: Look) -> String {
    let measures: Vec<_> = strips.iter().map(|strip| strip.measure).collect();
    let shown = fit(&measures, look.width);
    let count = strips.first().map_or(0, |strip| strip.cells.len());
    let mut text = String::new();
    for line in 0..count {
        for (index, (place, width)) in shown.iter().enumerate() {
            let strip = &strips[*place];
            let is_last = index + 1 == shown.len();
            if index > 0 {
                push_spaces(&mut text, GAP);
            }
            push_cell(&mut text, strip, &strip.cells[line], *width, is_last, look);
        }
        text.push('\n');
    }
    text
}

fn push_cell(
    text: &mut String,
    strip: &Strip,
    cell: &Cell,
    width: usize,
    is_last: bool,
    look: Look,
) {
    let cut = truncate_cell(&cell.text, width, look.ellipsis);
    let padding = width.saturating_sub(width_of(&cut));
    if strip.align == Align::Right {
        push_spaces(text, padding);
    }
    text.push_str(&look.coloured(&cut, cell.tone));
    if strip.align == Align::Left && !is_last {
        push_spaces(text, padding);
    }
}

fn push_spaces(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(' ', count));
}

/// Columns of the terminal on stdout; `None` if stdout is none.
pub fn terminal_width() -> Option<usize> {
    let is_terminal = std::io::stdout().is_terminal();
    let size = terminal_size::terminal_size().filter(|_| is_terminal);
    size.map(|(width, _)| usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::{Look, render, render_text};
    use crate::columns::Row;
    use crate::columns::tests::context;
    use detector_api::fixtures::peer;
    use detector_api::row::PeerRow;

    const PLAIN: Look = Look {
        width: None,
        has_colours: false,
        ellipsis: '…',
    };

    fn table(keys: &[&str], look: Look) -> String {
        let columns: Vec<_> = keys
            .iter()
            .map(|key| PeerRow::column(key).unwrap())
            .map(|column| (column.heading, column))
            .collect();
        let mut wide = peer("198.51.100.7", 4_220_292);
        wide.peer.processes[0].unit = Some("漢字漢字漢字漢字漢字.service".to_owned());
        render(
            &columns,
            &[peer("2001:db8::/64", 7), wide],
            &context(),
            look,
            false,
        )
    }

    #[test]
    fn columns_line_up_also_with_wide_characters() {
        assert_eq!(
            table(&["peer", "unit", "pinned"], PLAIN),
            "PEER           UNIT                          PINNED\n\
             2001:db8::/64  httpd.service                    7 B\n\
             198.51.100.7   漢字漢字漢字漢字漢字.service  4.2 MB\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_and_then_leaves_out() {
        let look = |width| Look {
            width: Some(width),
            ..PLAIN
        };
        assert_eq!(
            table(&["peer", "unit", "pinned"], look(36)),
            "PEER           UNIT           PINNED\n\
             2001:db8::/64  httpd.service     7 B\n\
             198.51.100.7   漢字漢字漢字…  4.2 MB\n"
        );
        assert_eq!(
            table(&["peer", "unit", "pinned"], look(22)),
            "PEER           PINNED\n2001:db8::/64     7 B\n198.51.100.7   4.2 MB\n"
        );
    }

    #[test]
    fn levels_have_colours_where_they_are_wanted() {
        let look = Look {
            has_colours: true,
            ..PLAIN
        };
        let text = table(&["peer", "severity"], look);
        assert!(text.contains("\u{1b}[35mwarning\u{1b}[0m\n"), "{text:?}");
        assert!(!table(&["peer", "severity"], PLAIN).contains('\u{1b}'));
    }

    #[test]
    fn text_is_never_cut() {
        let rows = [["ok".to_owned(), "x".repeat(300)]];
        let text = render_text(["STATE", "FOUND"], &rows);
        assert_eq!(text, format!("STATE  FOUND\nok     {}\n", "x".repeat(300)));
    }
}
