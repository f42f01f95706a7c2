//! A card as blocks, and its lines at the width of the terminal.

use crate::layout::{width_of, wrap};
use crate::table::Table;
use crate::terminal::{Capabilities, Tone};

/// A part of a card.
pub(crate) enum Block {
    /// The first sentence.
    Headline(Tone, String),
    /// The beginning of a section.
    Heading(String),
    /// Running text.
    Text(String),
    /// An item with its label before it.
    Item(Item),
    /// Lines to copy: never broken.
    Verbatim(Vec<String>),
    /// Rows under headings.
    Table(Table),
}

/// Text that hangs beside a label; labels of one width line up.
pub(crate) struct Item {
    /// Cells before the label.
    pub(crate) indent: usize,
    /// The label.
    pub(crate) label: String,
    /// Cells of the labels, a gap included.
    pub(crate) column: usize,
    /// Of the label.
    pub(crate) tone: Tone,
    /// What hangs beside it.
    pub(crate) text: String,
}

impl Block {
    /// An item of a section.
    pub(crate) fn item(label: &str, column: usize, tone: Tone, text: String) -> Self {
        Self::Item(Item {
            indent: INDENT,
            label: label.to_owned(),
            column,
            tone,
            text,
        })
    }
}

/// Narrower than this, words would be torn apart.
const WIDTH_LEAST: usize = 40;
/// Wider lines are hard to read.
const WIDTH_MOST: usize = 110;
/// Where there is no terminal.
const WIDTH_PIPED: usize = 80;
const INDENT: usize = 2;
const VERBATIM_INDENT: usize = 8;

/// The blocks as text for this terminal.
pub(crate) fn render(blocks: &[Block], terminal: Capabilities) -> String {
    let width = terminal.width.unwrap_or(WIDTH_PIPED);
    let width = width.clamp(WIDTH_LEAST, WIDTH_MOST);
    let mut lines = Vec::new();
    for block in blocks {
        match block {
            Block::Headline(tone, sentence) => {
                let wrapped = wrap(sentence, width).into_iter();
                lines.extend(wrapped.map(|line| terminal.paint(*tone, &line)));
            }
            Block::Heading(heading) => {
                lines.push(String::new());
                lines.push(terminal.paint(Tone::Strong, heading));
            }
            Block::Text(text) => {
                let wrapped = wrap(text, width - INDENT).into_iter();
                lines.extend(wrapped.map(|line| format!("{:INDENT$}{line}", "")));
            }
            Block::Item(item) => lines.extend(item.lines(width, terminal)),
            Block::Verbatim(verbatim) => {
                let verbatim = verbatim.iter();
                lines.extend(verbatim.map(|line| format!("{:VERBATIM_INDENT$}{line}", "")));
            }
            Block::Table(table) => {
                let narrower = Capabilities {
                    width: Some(width - INDENT),
                    ..terminal
                };
                let table = table.text(narrower);
                lines.extend(table.lines().map(|line| format!("{:INDENT$}{line}", "")));
            }
        }
    }
    let lines = lines.iter().map(|line| line.trim_end());
    lines.fold(String::new(), |text, line| text + line + "\n")
}

impl Item {
    fn lines(&self, width: usize, terminal: Capabilities) -> Vec<String> {
        let hanging = self.indent + self.column;
        let wrapped = wrap(
            &self.text,
            width.saturating_sub(hanging).max(WIDTH_LEAST / 2),
        );
        let first = format!(
            "{:indent$}{}{:gap$}",
            "",
            terminal.paint(self.tone, &self.label),
            "",
            indent = self.indent,
            gap = self.column.saturating_sub(width_of(&self.label)),
        );
        let further = " ".repeat(hanging);
        let starts = std::iter::once(&first).chain(std::iter::repeat(&further));
        let lines = starts.zip(wrapped);
        lines
            .map(|(start, line)| format!("{start}{line}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, render};
    use crate::terminal::Capabilities;

    #[test]
    fn lines_to_copy_stay_whole() {
        let narrow = Capabilities {
            width: Some(40),
            ..Capabilities::PIPE
        };
        let line = "sysctl -w a.long.name=1 another.long.name=2";
        let text = render(&[Block::Verbatim(vec![line.to_owned()])], narrow);
        assert_eq!(text, format!("        {line}\n"));
    }
}
