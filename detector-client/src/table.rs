//! Tables: rows under headings, measured once for text on stdout, for cards and for `top`.

use crate::columns::{Column, Context, Grouping, Row};
use crate::layout::{Align, GAP, Measure, aligned, fit, width_of};
use crate::terminal::{Capabilities, Tone};

/// A column that was chosen for a table.
pub struct Chosen<R: 'static> {
    /// The column.
    pub column: &'static Column<R>,
    /// What stands above it.
    pub heading: String,
    /// Whether it is there however narrow the place.
    pub stays: bool,
}

impl<R: Row> Chosen<R> {
    /// Left out where there is no room; the first column of groups says what they are.
    pub fn new(column: &'static Column<R>, grouping: Grouping) -> Self {
        let heading = match column.key {
            "peer" if grouping != Grouping::Peer => grouping.heading(),
            _ => column.heading,
        };
        Self {
            column,
            heading: heading.to_owned(),
            stays: false,
        }
    }

    /// Those shown by default for rows put together so, and those that `is_wanted`, which stay.
    pub fn of(grouping: Grouping, is_wanted: impl Fn(&Column<R>) -> bool) -> Vec<Self> {
        let is_grouped = grouping != Grouping::Peer;
        let columns = R::COLUMNS.iter().filter_map(|column| {
            let stays = is_wanted(column) || (is_grouped && column.key == "members");
            (column.is_default || stays).then(|| Self {
                stays,
                ..Self::new(column, grouping)
            })
        });
        columns.collect()
    }
}

/// A cell with how it stands out.
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// A column with its cells.
pub(crate) struct Strip {
    pub(crate) heading: String,
    pub(crate) align: Align,
    pub(crate) cells: Vec<Cell>,
    measure: Measure,
}

/// Rows under headings.
pub struct Table {
    strips: Vec<Strip>,
}

impl Table {
    /// The chosen columns of rows.
    pub fn of_rows<R: Row>(chosen: &[Chosen<R>], rows: &[R], context: &Context) -> Self {
        let strip = |chosen: &Chosen<R>| {
            let column = chosen.column;
            let cell = |row: &R| Cell {
                text: column.cell(row, context),
                tone: if column.is_telling {
                    row.tone()
                } else {
                    Tone::Plain
                },
            };
            let cells: Vec<Cell> = rows.iter().map(cell).collect();
            let mut measure = column.measure(width_of(&chosen.heading), widest(&cells));
            if chosen.stays {
                measure.dispensable = 0;
            }
            Strip {
                heading: chosen.heading.clone(),
                align: column.align,
                cells,
                measure,
            }
        };
        Self {
            strips: chosen.iter().map(strip).collect(),
        }
    }

    /// Text that is not cut.
    pub fn of_text<const N: usize>(headings: [(&str, Align); N], rows: Vec<[String; N]>) -> Self {
        let mut strips = headings.map(|(heading, align)| Strip {
            heading: heading.to_owned(),
            align,
            cells: Vec::new(),
            measure: Measure::default(),
        });
        for row in rows {
            for (strip, text) in strips.iter_mut().zip(row) {
                let tone = Tone::Plain;
                strip.cells.push(Cell { text, tone });
            }
        }
        let strips = strips.into();
        Self { strips }.uncut()
    }

    /// Cells are not cut: where there is no room for all columns the last ones go.
    pub(crate) fn uncut(mut self) -> Self {
        for (rank, strip) in (0..).zip(&mut self.strips) {
            let content = width_of(&strip.heading).max(widest(&strip.cells));
            strip.measure = Measure {
                content,
                ideal: content,
                min: content,
                dispensable: rank,
            };
        }
        self
    }

    /// The columns that are shown at this width, and how wide each is.
    pub(crate) fn fitted(&self, width: Option<usize>) -> Vec<(&Strip, usize)> {
        let measures: Vec<_> = self.strips.iter().map(|strip| strip.measure).collect();
        let fitted = fit(&measures, width).into_iter();
        fitted
            .map(|(index, width)| (&self.strips[index], width))
            .collect()
    }

    /// The headings and each row, a line each.
    pub fn text(&self, terminal: Capabilities) -> String {
        let fitted = self.fitted(terminal.width);
        let rows = self.strips.first().map_or(0, |strip| strip.cells.len());
        let mut text = String::new();
        push_line(&mut text, terminal, &fitted, |strip| {
            (&strip.heading, Tone::Strong)
        });
        for row in 0..rows {
            push_line(&mut text, terminal, &fitted, |strip| {
                (&strip.cells[row].text, strip.cells[row].tone)
            });
        }
        text
    }
}

fn widest(cells: &[Cell]) -> usize {
    let widths = cells.iter().map(|cell| width_of(&cell.text));
    widths.max().unwrap_or(0)
}

fn push_line<'a>(
    text: &mut String,
    terminal: Capabilities,
    strips: &[(&'a Strip, usize)],
    cell: impl Fn(&'a Strip) -> (&'a String, Tone),
) {
    let mut pending = 0;
    for (strip, width) in strips {
        let (content, tone) = cell(strip);
        let filled = aligned(content, *width, strip.align, terminal.ellipsis());
        let shown = filled.trim();
        let before = filled.len() - filled.trim_start().len();
        text.extend(std::iter::repeat_n(
            ' ',
            if shown.is_empty() {
                0
            } else {
                pending + before
            },
        ));
        text.push_str(&terminal.paint(tone, shown));
        // Blanks at the end of a line are left out.
        pending = if shown.is_empty() {
            pending + width + GAP
        } else {
            filled.len() - before - shown.len() + GAP
        };
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Table};
    use crate::columns::tests::context;
    use crate::columns::{Grouping, Row};
    use crate::layout::Align;
    use crate::terminal::Capabilities;
    use detector_api::fixtures::peer;
    use detector_api::row::PeerRow;

    const PLAIN: Capabilities = Capabilities {
        has_unicode: true,
        ..Capabilities::PIPE
    };

    fn table(keys: &[&str], terminal: Capabilities) -> String {
        let columns = keys.iter().map(|key| PeerRow::column(key).unwrap());
        let columns: Vec<_> = columns
            .map(|column| Chosen::new(column, Grouping::Peer))
            .collect();
        let mut wide = peer("198.51.100.7", 4_220_292);
        wide.peer.processes[0].unit = Some("漢字漢字漢字漢字漢字.service".to_owned());
        let rows = [peer("2001:db8::/64", 7), wide];
        Table::of_rows(&columns, &rows, &context()).text(terminal)
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
        let at = |width| Capabilities {
            width: Some(width),
            ..PLAIN
        };
        assert_eq!(
            table(&["peer", "unit", "pinned"], at(36)),
            "PEER           UNIT           PINNED\n\
             2001:db8::/64  httpd.service     7 B\n\
             198.51.100.7   漢字漢字漢字…  4.2 MB\n"
        );
        assert_eq!(
            table(&["peer", "unit", "pinned"], at(22)),
            "PEER           PINNED\n2001:db8::/64     7 B\n198.51.100.7   4.2 MB\n"
        );
    }

    #[test]
    fn what_tells_most_has_colours_where_they_are_wanted() {
        let coloured = Capabilities {
            has_colours: true,
            ..PLAIN
        };
        let text = table(&["peer", "severity"], coloured);
        assert!(text.contains("\u{1b}[35mwarning\u{1b}[0m\n"), "{text:?}");
        assert!(!table(&["peer", "severity"], PLAIN).contains('\u{1b}'));
    }

    #[test]
    fn text_is_never_cut_and_lines_end_in_no_blanks() {
        let row = |left: &str, right: &str| [left.to_owned(), right.to_owned()];
        let headings = [("A", Align::Left), ("LONG", Align::Left)];
        let rows = vec![row("日本", "x"), row("y", ""), row("", "z")];
        let table = Table::of_text(headings, rows);
        let text = "A     LONG\n日本  x\ny\n      z\n";
        assert_eq!(table.text(PLAIN), text);
        let long = Table::of_text(headings, vec![row("ok", &"x".repeat(300))]);
        let text = format!("A   LONG\nok  {}\n", "x".repeat(300));
        assert_eq!(long.text(PLAIN), text);
        let narrow = Capabilities {
            width: Some(4),
            ..PLAIN
        };
        assert_eq!(long.text(narrow), "A\nok\n");
    }
}
