//! Markup that cannot be broken out of: what is not written in this program goes through
//! [`Markup::text`] or [`Markup::number`], in elements and in attributes alike.

/// Markup under way.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Markup that stands in the program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, also as the value of an attribute in quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Of names of files, which nobody sanitized for a page.
                control if control.is_control() && control != '\n' => {
                    self.0.push(char::REPLACEMENT_CHARACTER);
                }
                other => self.0.push(other),
            }
        }
        self
    }

    /// A coordinate; what is no number is drawn at the edge.
    pub(super) fn number(&mut self, number: f64) -> &mut Self {
        let number = if number.is_finite() { number } else { 0.0 };
        let text = format!("{number:.1}");
        self.0.push_str(text.strip_suffix(".0").unwrap_or(&text));
        self
    }

    /// An element with text in it.
    pub(super) fn element(
        &mut self,
        begin: &'static str,
        text: &str,
        end: &'static str,
    ) -> &mut Self {
        self.raw(begin).text(text).raw(end)
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Markup;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a name holds, nothing of it is markup, in an element or in an attribute.
        #[test]
        fn nothing_breaks_out(name in any::<String>(), number in any::<f64>()) {
            let mut markup = Markup::default();
            markup.raw("<b title=\"").text(&name).raw("\">").text(&name).number(number).raw("</b>");
            let markup = markup.finish();
            for (character, own) in [('<', 2), ('>', 2), ('"', 2), ('\'', 0)] {
                let found = markup.chars().filter(|each| *each == character).count();
                prop_assert_eq!(found, own, "{}", markup);
            }
            for (place, _) in markup.match_indices('&') {
                let rest = &markup[place..];
                let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
                prop_assert!(known.iter().any(|entity| rest.starts_with(entity)), "{}", markup);
            }
            prop_assert!(!markup.contains("NaN") && !markup.contains("inf") || name.contains("NaN") || name.contains("inf"));
        }
    }
}
