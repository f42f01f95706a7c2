//! Which columns of a table fit a terminal, and how wide each is.

use super::Column;
use std::net::SocketAddr;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Spaces between two columns.
pub const GAP: usize = 2;

/// What one column of a table asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Widest cell, the heading included.
    pub content: usize,
    /// See [`Column::ideal_width`].
    pub ideal: usize,
    /// See [`Column::min_width`].
    pub min: usize,
    /// See [`Column::dispensable`].
    pub dispensable: u8,
}

impl Measure {
    /// Of a column whose widest cell, without the heading, has this width.
    pub fn of<R>(column: &Column<R>, widest_cell: usize) -> Self {
        let heading = column.heading.len();
        let content = heading.max(widest_cell);
        let at_least = |width: u16| usize::from(width).max(heading).min(content);
        Self {
            content,
            ideal: at_least(column.ideal_width),
            min: at_least(column.min_width.min(column.ideal_width)),
            dispensable: column.dispensable,
        }
    }
}

/// Which of the columns are shown and how wide: their places, in order. Wide cells are cut to
/// their ideal width first, then the most dispensable columns go while the others, cut to their
/// least width, do not fit. Columns that are not dispensable stay even where they do not fit.
pub fn fit(columns: &[Measure], width: Option<usize>) -> Vec<(usize, usize)> {
    let mut shown: Vec<(usize, Measure)> = columns.iter().copied().enumerate().collect();
    let Some(width) = width else {
        return widths(&shown, |measure| measure.content);
    };
    while total(&shown, |measure| measure.min) > width {
        let most = shown
            .iter()
            .enumerate()
            .filter(|(_, (_, measure))| measure.dispensable > 0)
            .max_by_key(|(_, (_, measure))| measure.dispensable);
        match most {
            Some((place, _)) => drop(shown.remove(place)),
            None => return widths(&shown, |measure| measure.min),
        }
    }
    let mut fitted = widths(&shown, |measure| measure.min);
    let mut spare = width - total(&shown, |measure| measure.min);
    for goal in [
        |measure: &Measure| measure.ideal,
        |measure: &Measure| measure.content,
    ] {
        for ((_, measure), (_, fitted)) in shown.iter().zip(&mut fitted) {
            let more = goal(measure).saturating_sub(*fitted).min(spare);
            *fitted += more;
            spare -= more;
        }
    }
    fitted
}

fn widths(shown: &[(usize, Measure)], width: fn(&Measure) -> usize) -> Vec<(usize, usize)> {
    let each = shown.iter();
    each.map(|(place, measure)| (*place, width(measure)))
        .collect()
}

fn total(shown: &[(usize, Measure)], width: fn(&Measure) -> usize) -> usize {
    let gaps = GAP * shown.len().saturating_sub(1);
    shown
        .iter()
        .map(|(_, measure)| width(measure))
        .sum::<usize>()
        + gaps
}

/// Terminal cells that a text takes.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// A cell, or as much of it as fits: of an address with a port the end, for the port tells the
/// connections of one peer apart; of everything else the beginning.
pub fn truncate_cell(text: &str, width: usize, ellipsis: char) -> String {
    if text.width() <= width || text.parse::<SocketAddr>().is_err() {
        return truncate(text, width, ellipsis);
    }
    let mut cut = String::new();
    // An address is ASCII: a byte is a cell.
    if let Some(room) = width.checked_sub(ellipsis.width().unwrap_or(1)) {
        cut.push(ellipsis);
        cut.push_str(text.get(text.len() - room..).unwrap_or_default());
    }
    cut
}

/// The text, or as much of it as fits into `width` cells with `ellipsis` at its end.
pub fn truncate(text: &str, width: usize, ellipsis: char) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(ellipsis.width().unwrap_or(1)) else {
        return String::new();
    };
    let mut cut = String::new();
    let mut taken = 0;
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken > room {
            break;
        }
        cut.push(character);
    }
    cut.push(ellipsis);
    cut
}

#[cfg(test)]
mod tests {
    use super::truncate_cell;

    #[test]
    fn a_port_is_never_cut_off_before_the_address() {
        for (text, width, cut) in [
            ("[2001:db8:1:2::7]:40017", 23, "[2001:db8:1:2::7]:40017"),
            ("[2001:db8:1:2::7]:40017", 12, "…2::7]:40017"),
            ("198.51.100.7:40017", 12, "…100.7:40017"),
            ("2001:db8:1:2::/64", 10, "2001:db8:…"),
            ("httpd.service", 8, "httpd.s…"),
            ("198.51.100.7:40017", 1, "…"),
            ("198.51.100.7:40017", 0, ""),
        ] {
            let found = truncate_cell(text, width, '…');
            assert!(found.chars().count() <= width, "{found}");
            if cut.chars().count() <= width {
                assert_eq!(found, cut);
            }
        }
    }
}
