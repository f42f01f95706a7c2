//! What stands on a terminal, as a picture in SVG: text that can be read, searched and copied.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// Of one character, in pixels.
const WIDTH: f32 = 8.0;
const HEIGHT: f32 = 17.0;
const MARGIN: f32 = 12.0;
const FONT: &str =
    "font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"13.3\"";
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d8dbe2";
/// The sixteen colours that have names.
const PALETTE: [&str; 16] = [
    "#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
    "#7f848e", "#ff7b86", "#b5e890", "#ffd68a", "#7cc4ff", "#de9bf2", "#76d7e3", "#ffffff",
];

/// How a character looks.
#[derive(Clone, PartialEq, Eq)]
struct Style {
    colour: String,
    behind: Option<String>,
    is_bold: bool,
    is_dim: bool,
    is_underlined: bool,
}

/// Characters of one style beside each other.
struct Run {
    column: u16,
    text: String,
    style: Style,
}

/// The first lines of the screen, `most` of them, without the empty ones at its end; a word is replaced by
/// another one that is no longer.
pub(crate) fn svg(screen: &Screen, most: usize, words: (&str, &str)) -> String {
    let (lines, columns) = screen.size();
    let rows: Vec<Vec<Run>> = (0..lines).map(|line| runs(screen, line, columns)).collect();
    let last = rows.iter().rposition(|row| !row.is_empty());
    let all = last.map_or(0, |last| last + 1);
    let mut rows: Vec<&[Run]> = rows.iter().take(all.min(most)).map(Vec::as_slice).collect();
    let dots = [Run::plain("…")];
    if all > most {
        rows.push(&dots);
    }
    let width = f32::from(columns) * WIDTH + 2.0 * MARGIN;
    let height = rows.iter().fold(2.0 * MARGIN, |sum, _| sum + HEIGHT);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" {FONT}>\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    let mut top = MARGIN;
    for row in rows {
        for run in row {
            // Writing into a string does not fail.
            let _ = draw(&mut picture, run, top, words);
        }
        top += HEIGHT;
    }
    picture.push_str("</svg>\n");
    picture
}

impl Run {
    /// Of a line of its own.
    fn plain(text: &str) -> Self {
        Self {
            column: 0,
            text: text.to_owned(),
            style: Style {
                colour: FOREGROUND.to_owned(),
                behind: None,
                is_bold: false,
                is_dim: true,
                is_underlined: false,
            },
        }
    }
}

fn runs(screen: &Screen, line: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(line, column) else {
            continue;
        };
        let style = style(cell);
        let text = if cell.has_contents() {
            cell.contents()
        } else {
            " "
        };
        match runs.last_mut() {
            Some(run) if run.style == style => run.text.push_str(text),
            _ => runs.push(Run {
                column,
                text: text.to_owned(),
                style,
            }),
        }
    }
    runs.retain(|run| !run.text.trim().is_empty() || run.style.behind.is_some());
    runs
}

fn style(cell: &Cell) -> Style {
    let front = colour(cell.fgcolor());
    let back = colour(cell.bgcolor());
    let (front, back) = if cell.inverse() {
        let behind = front.unwrap_or_else(|| FOREGROUND.to_owned());
        (back.or_else(|| Some(BACKGROUND.to_owned())), Some(behind))
    } else {
        (front, back)
    };
    Style {
        colour: front.unwrap_or_else(|| FOREGROUND.to_owned()),
        behind: back,
        is_bold: cell.bold(),
        is_dim: cell.dim(),
        is_underlined: cell.underline(),
    }
}

fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(index @ 0..16) => Some(PALETTE[usize::from(index)].to_owned()),
        // A cube of six levels a colour, then greys.
        Color::Idx(index @ 16..232) => {
            let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
            let index = index - 16;
            let parts = [index / 36, index / 6 % 6, index % 6].map(level);
            Some(hex(parts))
        }
        Color::Idx(index) => Some(hex([8 + (index - 232) * 10; 3])),
        Color::Rgb(red, green, blue) => Some(hex([red, green, blue])),
    }
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn draw(picture: &mut String, run: &Run, top: f32, (from, to): (&str, &str)) -> std::fmt::Result {
    let Run {
        column,
        text,
        style,
    } = run;
    let left = MARGIN + f32::from(*column) * WIDTH;
    if let Some(behind) = &style.behind {
        let width = span(text);
        writeln!(
            picture,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{behind}\"/>"
        )?;
    }
    let text = match from.is_empty() {
        true => text.clone(),
        false => text.replace(from, &format!("{to:<width$}", width = from.chars().count())),
    };
    let inner = text.trim();
    if inner.is_empty() {
        return Ok(());
    }
    let indent = text.len() - text.trim_start().len();
    let left = left + span(&text[..indent]);
    let baseline = top + HEIGHT - 4.0;
    write!(
        picture,
        "<text x=\"{left}\" y=\"{baseline}\" textLength=\"{}\" fill=\"{}\" xml:space=\"preserve\"",
        span(inner),
        style.colour
    )?;
    for (is_so, attribute) in [
        (style.is_bold, "font-weight=\"bold\""),
        (style.is_dim, "opacity=\"0.65\""),
        (style.is_underlined, "text-decoration=\"underline\""),
    ] {
        if is_so {
            write!(picture, " {attribute}")?;
        }
    }
    let escaped = inner
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    writeln!(picture, ">{escaped}</text>")
}

/// How wide a text is.
fn span(text: &str) -> f32 {
    text.chars().fold(0.0, |sum, _| sum + WIDTH)
}

#[cfg(test)]
mod tests {
    use super::svg;

    fn picture(text: &str) -> String {
        let mut terminal = vt100::Parser::new(4, 20, 0);
        terminal.process(text.as_bytes());
        svg(terminal.screen(), 2, ("6.1-x", "6.1"))
    }

    #[test]
    fn colours_and_places_are_those_of_the_screen() {
        let picture = picture("a <b>\r\n  \x1b[1;31mred\x1b[0m \x1b[7mback\x1b[0m");
        assert!(picture.contains(">a &lt;b&gt;</text>"), "{picture}");
        assert!(
            picture.contains("x=\"28\" y=\"42\" textLength=\"24\" fill=\"#e06c75\" xml:space=\"preserve\" font-weight=\"bold\">red<"),
            "{picture}"
        );
        assert!(
            picture
                .contains("<rect x=\"60\" y=\"29\" width=\"32\" height=\"17\" fill=\"#d8dbe2\"/>"),
            "{picture}"
        );
        // Two lines and two margins: what is empty at the end is left out.
        assert!(picture.contains("height=\"58\""), "{picture}");
    }

    #[test]
    fn what_is_too_long_ends_in_dots() {
        let picture = picture("a\r\nb\r\nc");
        assert!(
            picture.contains(">b<") && !picture.contains(">c<"),
            "{picture}"
        );
        assert!(picture.contains(">…</text>"), "{picture}");
    }

    #[test]
    fn a_word_is_replaced_and_what_follows_stays_in_its_column() {
        let picture = picture("on 6.1-x since");
        assert!(picture.contains(">on 6.1   since</text>"), "{picture}");
    }
}
