//! How text is fitted to cells: which columns of a table are shown and how wide, what is cut and
//! where lines break. Pure.

use std::net::SocketAddr;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cells between two columns.
pub(crate) const GAP: usize = 2;

/// Side on which the cells of a column line up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// What one column of a table asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Widest cell, the heading included.
    pub(crate) content: usize,
    /// Wider cells are cut to this first where there is little room.
    pub(crate) ideal: usize,
    /// Cells are never cut below this.
    pub(crate) min: usize,
    /// 0 stays always; of the others the highest goes first where there is little room.
    pub(crate) dispensable: u8,
}

/// Which of the columns are shown and how wide: their indices, in order. Wide cells are cut to
/// their ideal width first, then the most dispensable columns go while the others, cut to their
/// least width, do not fit. Columns that are not dispensable stay even where they do not fit.
pub(crate) fn fit(columns: &[Measure], width: Option<usize>) -> Vec<(usize, usize)> {
    let mut shown: Vec<(usize, Measure)> = columns.iter().copied().enumerate().collect();
    let Some(width) = width else {
        return widths(&shown, |measure| measure.content);
    };
    while total(&shown) > width {
        let most = shown
            .iter()
            .enumerate()
            .filter(|(_, (_, measure))| measure.dispensable > 0)
            .max_by_key(|(_, (_, measure))| measure.dispensable);
        match most {
            Some((index, _)) => drop(shown.remove(index)),
            None => return widths(&shown, |measure| measure.min),
        }
    }
    let mut fitted = widths(&shown, |measure| measure.min);
    let mut spare = width - total(&shown);
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
    each.map(|(index, measure)| (*index, width(measure)))
        .collect()
}

/// Least cells that these columns take.
fn total(shown: &[(usize, Measure)]) -> usize {
    let gaps = GAP * shown.len().saturating_sub(1);
    shown.iter().map(|(_, measure)| measure.min).sum::<usize>() + gaps
}

/// Terminal cells that a text takes.
pub(crate) fn width_of(text: &str) -> usize {
    text.width()
}

/// The text cut or filled up to `width` cells.
pub(crate) fn aligned(text: &str, width: usize, align: Align, ellipsis: char) -> String {
    let cut = truncate_cell(text, width, ellipsis);
    let filling = " ".repeat(width.saturating_sub(width_of(&cut)));
    match align {
        Align::Left => cut + &filling,
        Align::Right => filling + &cut,
    }
}

/// A cell, or as much of it as fits: of an address with a port the end, for the port tells the
/// connections of one peer apart; of everything else the beginning.
pub(crate) fn truncate_cell(text: &str, width: usize, ellipsis: char) -> String {
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
pub(crate) fn truncate(text: &str, width: usize, ellipsis: char) -> String {
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

/// The text in lines of at most `width` cells, broken at blanks; a longer word is broken too, as
/// nothing may be lost.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width_of(&line) + 1 + width_of(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            let taken = width_of(&line) + character.width().unwrap_or(0);
            if taken > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::{truncate, truncate_cell, width_of, wrap};

    #[test]
    fn lines_break_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("", 5), [""]);
        let lines = wrap("a 漢 b", 1);
        assert!(lines.iter().all(|line| width_of(line) <= 2), "{lines:?}");
    }

    #[test]
    fn cut_text_ends_in_an_ellipsis_and_never_splits_a_wide_character() {
        assert_eq!(truncate("abcdef", 6, '…'), "abcdef");
        assert_eq!(truncate("abcdef", 5, '…'), "abcd…");
        assert_eq!(truncate("漢字名前", 5, '…'), "漢字…");
        assert_eq!(truncate("漢字名前", 4, '~'), "漢~");
        assert_eq!(truncate("abc", 1, '…'), "…");
        assert_eq!(truncate("abc", 0, '…'), "");
    }

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
