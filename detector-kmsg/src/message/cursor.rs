//! A text that is taken apart from its front, and told apart where it is another or only cut.

/// Why a text is not what it was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It ends where more was due: the line is cut or goes on in the next one.
    Cut,
    /// It is something else.
    Other,
    /// It is what it was taken for, but with a number or an address that no kernel can print.
    Impossible,
    /// It names no port of ours.
    NoLocalPort,
}

/// What is left of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a str);

impl<'a> Cursor<'a> {
    /// Takes this, maybe with more blanks where it has one.
    pub(crate) fn literal(&mut self, expected: &str) -> Result<(), Stop> {
        let mut rest = self.0;
        for c in expected.chars() {
            rest = match rest.strip_prefix(c) {
                Some(after) if c == ' ' => after.trim_start_matches(' '),
                Some(after) => after,
                // What was cut may have lost its last blanks, too.
                None if rest.trim_end().is_empty() => return Err(Stop::Cut),
                None => return Err(Stop::Other),
            };
        }
        self.0 = rest;
        Ok(())
    }

    /// Takes digits; the text must go on after them, or the number may be cut.
    pub(crate) fn number<T: std::str::FromStr>(&mut self) -> Result<T, Stop> {
        let digits = self.digits();
        if self.0.is_empty() {
            return Err(Stop::Cut);
        }
        if digits.is_empty() {
            return Err(Stop::Other);
        }
        digits.parse().map_err(|_| Stop::Impossible)
    }

    /// Takes digits, maybe none.
    pub(crate) fn digits(&mut self) -> &'a str {
        let end = self.0.find(|c: char| !c.is_ascii_digit());
        self.split(end.unwrap_or(self.0.len()))
    }

    /// Takes everything up to one of these characters; there must be one.
    pub(crate) fn until(&mut self, ends: &[char]) -> Result<&'a str, Stop> {
        let end = self.0.find(ends).ok_or(Stop::Cut)?;
        Ok(self.split(end))
    }

    fn split(&mut self, at: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(at);
        self.0 = rest;
        taken
    }
}

/// The number right after `name` somewhere in `text`.
pub(crate) fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    Cursor(rest).digits().parse().ok()
}
