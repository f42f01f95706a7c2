//! Turns the blocks of a card into lines of a width, with or without colours.

use crate::columns::width_of;

/// What a piece of text is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// Headings.
    Strong,
    /// What is in order.
    Good,
    /// What deserves a look.
    Caution,
    /// What costs dearly.
    Alarm,
    /// What one may skip.
    Quiet,
}

impl Tone {
    /// The parameters of the escape sequence (SGR).
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Strong => Some("1"),
            // Green and yellow vanish on a white ground.
            Self::Plain | Self::Good => None,
            Self::Caution => Some("35"),
            Self::Alarm => Some("1;31"),
            Self::Quiet => Some("2"),
        }
    }
}

/// A part of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The first sentence.
    Headline(Tone, String),
    /// The beginning of a section.
    Heading(String),
    /// Running text.
    Text(String),
    /// An item with its label before it; labels of one width line up.
    Item {
        /// Columns before the label.
        indent: usize,
        /// The label, cells of its column included.
        label: String,
        /// Cells of that column, a gap of two included.
        column: usize,
        /// Of the label.
        tone: Tone,
        /// Hangs beside the label.
        text: String,
    },
    /// Lines to copy: never broken.
    Verbatim(Vec<String>),
    /// Cells in columns, the first row is the heading; numbers to the right.
    Rows(Vec<Vec<String>>),
}

/// The place where a card is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Cells of a line.
    pub width: usize,
    /// Whether colours are wanted.
    pub has_colours: bool,
}

/// Narrower than this, words would be torn apart.
const WIDTH_LEAST: usize = 40;
/// Wider lines are hard to read.
const WIDTH_MOST: usize = 110;
/// Where there is no terminal.
const WIDTH_PIPED: usize = 80;
const INDENT: usize = 2;
const VERBATIM_INDENT: usize = 8;

impl Look {
    /// The standard output of this process.
    pub fn of_stdout() -> Self {
        let look = crate::table::Look::of_stdout();
        Self {
            width: look.width.unwrap_or(WIDTH_PIPED),
            has_colours: look.has_colours,
        }
    }

    /// The blocks as text.
    pub(super) fn render(self, blocks: &[Block]) -> String {
        let width = self.width.clamp(WIDTH_LEAST, WIDTH_MOST);
        let mut text = String::new();
        for block in blocks {
            match block {
                Block::Headline(tone, sentence) => {
                    for line in wrap(sentence, width) {
                        self.push(&mut text, *tone, &line);
                    }
                }
                Block::Heading(heading) => {
                    text.push('\n');
                    self.push(&mut text, Tone::Strong, heading);
                }
                Block::Text(running) => {
                    for line in wrap(running, width - INDENT) {
                        let line = format!("{:INDENT$}{line}", "");
                        self.push(&mut text, Tone::Plain, &line);
                    }
                }
                Block::Item { .. } => self.push_item(&mut text, block, width),
                Block::Verbatim(lines) => {
                    for line in lines {
                        text.push_str(&format!("{:VERBATIM_INDENT$}{line}\n", ""));
                    }
                }
                Block::Rows(rows) => push_rows(&mut text, rows, width),
            }
        }
        text
    }

    fn push(self, text: &mut String, tone: Tone, line: &str) {
        text.push_str(&self.paint(tone, line.trim_end()));
        text.push('\n');
    }

    fn paint(self, tone: Tone, piece: &str) -> String {
        match tone
            .code()
            .filter(|_| self.has_colours && !piece.is_empty())
        {
            Some(code) => format!("\u{1b}[{code}m{piece}\u{1b}[0m"),
            None => piece.to_owned(),
        }
    }

    fn push_item(self, text: &mut String, block: &Block, width: usize) {
        let Block::Item {
            indent,
            label,
            column,
            tone,
            text: words,
        } = block
        else {
            return;
        };
        let hanging = indent + column;
        let lines = wrap(words, width.saturating_sub(hanging).max(WIDTH_LEAST / 2));
        for (index, line) in lines.iter().enumerate() {
            let (label, taken) = if index == 0 {
                (self.paint(*tone, label), width_of(label))
            } else {
                (String::new(), 0)
            };
            let before = " ".repeat(*indent);
            let between = " ".repeat(column.saturating_sub(taken));
            let line = format!("{before}{label}{between}{line}");
            self.push(text, Tone::Plain, &line);
        }
    }
}

/// As many columns as fit, from the left; the first two line up left, the others right.
fn push_rows(text: &mut String, rows: &[Vec<String>], width: usize) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &[String], index: usize| row.get(index).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..count)
        .map(|index| {
            let cells = rows.iter().map(|row| width_of(&cell(row, index)));
            cells.max().unwrap_or(0)
        })
        .collect();
    let mut taken = 0;
    let fitting = widths.iter().take_while(|column| {
        taken += INDENT + **column;
        taken <= width
    });
    let shown = fitting.count().max(1);
    for row in rows {
        let mut line = String::new();
        for (index, column) in widths.iter().enumerate().take(shown) {
            let cell = cell(row, index);
            let padding = " ".repeat(column - width_of(&cell));
            let (left, right) = if index < 2 {
                (cell, padding)
            } else {
                (padding, cell)
            };
            line += &format!("{:INDENT$}{left}{right}", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// The text in lines of at most `width` cells, broken at blanks; a longer word is broken too, as
/// nothing of a card may be lost.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width_of(&line) + 1 + width_of(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            let mut longer = line.clone();
            longer.push(character);
            if width_of(&longer) > width && !line.is_empty() {
                lines.push(std::mem::replace(&mut line, character.to_string()));
            } else {
                line = longer;
            }
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::{Block, Look, Tone, wrap};
    use crate::columns::width_of;

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
    fn colours_only_where_they_are_wanted() {
        let blocks = [Block::Headline(Tone::Alarm, "bad".to_owned())];
        let plain = Look {
            width: 80,
            has_colours: false,
        };
        assert_eq!(plain.render(&blocks), "bad\n");
        let coloured = Look {
            has_colours: true,
            ..plain
        };
        assert_eq!(coloured.render(&blocks), "\u{1b}[1;31mbad\u{1b}[0m\n");
    }

    #[test]
    fn lines_to_copy_stay_whole() {
        let look = Look {
            width: 40,
            has_colours: false,
        };
        let line = "sysctl -w a.long.name=1 another.long.name=2";
        let text = look.render(&[Block::Verbatim(vec![line.to_owned()])]);
        assert_eq!(text, format!("        {line}\n"));
    }
}
