//! Colours and glyphs.
//!
//! Red and magenta of the terminal's own sixteen colours, never a background: in the palettes that
//! terminals come with these two stand out on a light ground as well as on a dark one, where yellow,
//! green and cyan vanish on white and blue does on black. Nothing is said by colour alone. Views draw with everything; what a
//! terminal cannot show is taken out at the end, in one place.

use crate::terminal::{Capabilities, Tone};
use detector_api::snapshot::Severity;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// Heights of a bar, from nothing to all.
pub(super) const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Where something was cut.
pub(super) const ELLIPSIS: char = '…';

/// Labels and whatever is not what one looks for.
pub(super) fn quiet() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Headings.
pub(super) fn heading() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// The row under the cursor.
pub(super) fn selected() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// What must not be overlooked.
pub(super) fn alarm() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

/// What deserves a look.
pub(super) fn caution() -> Style {
    Style::new().fg(Color::Magenta)
}

/// Lines of a plot.
pub(super) fn line() -> Style {
    Style::new()
}

/// What stands out so.
pub(super) fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => heading(),
        Tone::Caution => caution(),
        Tone::Alarm => alarm(),
        Tone::Quiet => quiet(),
    }
}

/// What matters this much.
pub(super) fn severity(severity: Severity) -> Style {
    style(Tone::of(severity))
}

/// The same without colours.
pub(super) const fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Caution => "!",
        Tone::Alarm => "#",
        Tone::Plain | Tone::Strong | Tone::Quiet => " ",
    }
}

/// Takes out what the terminal cannot show.
pub(super) fn adapt(buffer: &mut Buffer, terminal: Capabilities) {
    for cell in &mut buffer.content {
        if !terminal.has_colours {
            cell.fg = Color::Reset;
            cell.bg = Color::Reset;
        }
        if !terminal.has_unicode && !cell.symbol().is_ascii() {
            let plain = plain(cell.symbol());
            cell.set_char(plain);
        }
    }
}

/// What stands for a character on a terminal that has ASCII only.
fn plain(symbol: &str) -> char {
    match symbol.chars().next() {
        Some('─' | '–' | '·') => '-',
        Some('│') => '|',
        Some('┌' | '┐' | '└' | '┘' | '├' | '┤' | '┼') => '+',
        Some('…') => '~',
        Some('↑') => '^',
        Some('↓') => 'v',
        Some('▁' | '▂') => '_',
        Some('▃' | '▄') => '-',
        Some('▅' | '▆') => '=',
        Some('▇' | '█') => '#',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::{alarm, caution, heading, line, quiet, selected};
    use ratatui::style::Color;

    type Rgb = [u8; 3];

    /// Grounds of a terminal, its red, bright red (what bold makes of it in some) and magenta.
    struct Palette {
        name: &'static str,
        grounds: &'static [Rgb],
        red: Rgb,
        bright_red: Rgb,
        magenta: Rgb,
    }

    const BLACK: Rgb = [0, 0, 0];
    const WHITE: Rgb = [255, 255, 255];

    /// As these terminals come.
    const PALETTES: [Palette; 6] = [
        Palette {
            name: "xterm",
            grounds: &[BLACK, WHITE],
            red: [205, 0, 0],
            bright_red: [255, 0, 0],
            magenta: [205, 0, 205],
        },
        Palette {
            name: "Linux console",
            grounds: &[BLACK],
            red: [170, 0, 0],
            bright_red: [255, 85, 85],
            magenta: [170, 0, 170],
        },
        Palette {
            name: "GNOME (VTE)",
            grounds: &[[23, 20, 33], WHITE],
            red: [192, 28, 40],
            bright_red: [246, 97, 81],
            magenta: [163, 71, 186],
        },
        Palette {
            name: "Windows Terminal (Campbell)",
            grounds: &[[12, 12, 12]],
            red: [197, 15, 31],
            bright_red: [231, 72, 86],
            magenta: [136, 23, 152],
        },
        Palette {
            name: "macOS Terminal (Basic)",
            grounds: &[WHITE],
            red: [153, 0, 0],
            bright_red: [230, 0, 0],
            magenta: [178, 0, 178],
        },
        Palette {
            name: "Solarized",
            grounds: &[[0, 43, 54], [253, 246, 227]],
            red: [220, 50, 47],
            bright_red: [203, 75, 22],
            magenta: [211, 54, 130],
        },
    ];

    /// Relative luminance, WCAG 2.
    fn luminance(colour: Rgb) -> f64 {
        let [red, green, blue] = colour.map(|channel| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// From 1, nothing to see, to 21.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// What WCAG 2 wants of signs and of large text; what is coloured here is bold or a mark.
    const ON_LIGHT: f64 = 3.0;
    /// Reds and magentas of old are dark, and people chose those terminals all the same.
    const ON_DARK: f64 = 2.4;

    #[test]
    fn colours_stand_out_on_light_and_dark_grounds() {
        for palette in &PALETTES {
            for &ground in palette.grounds {
                let is_dark = luminance(ground) < 0.2;
                let least = if is_dark { ON_DARK } else { ON_LIGHT };
                // Some terminals make bold red bright, some do not.
                for colour in [palette.red, palette.bright_red, palette.magenta] {
                    let found = contrast(colour, ground);
                    assert!(
                        found >= least,
                        "{}: {colour:?} on {ground:?}: {found:.1}",
                        palette.name
                    );
                }
            }
        }
    }

    #[test]
    fn no_other_colour_is_used_and_no_ground() {
        assert_eq!(alarm().fg, Some(Color::Red));
        assert_eq!(caution().fg, Some(Color::Magenta));
        for style in [quiet(), heading(), selected(), line()] {
            assert_eq!(style.fg, None);
        }
        for style in [alarm(), caution(), quiet(), heading(), selected(), line()] {
            assert_eq!(style.bg, None);
        }
        // Why: cyan and yellow of xterm on white.
        assert!(contrast([0, 205, 205], WHITE) < ON_DARK);
        assert!(contrast([205, 205, 0], WHITE) < ON_DARK);
    }
}
