//! What a kernel kept of its log as it died, in parts of which the newest is the first.

use super::LogReader;
use memchr::memchr_iter;

/// More is not kept until the last part has come.
const MOST_BYTES: usize = 1 << 20;

/// The lines of each part.
#[derive(Default)]
pub(super) struct Parts {
    parts: Vec<Vec<u8>>,
    bytes: usize,
}

impl LogReader {
    /// Keeps a line of a part, or the head of one. Whether it is such a line.
    pub(super) fn is_of_part(&mut self, line: &[u8]) -> bool {
        let number = head(line);
        let Some(parts) = &mut self.parts else {
            if number == Some(1) {
                self.parts = Some(Parts {
                    parts: vec![Vec::new()],
                    bytes: 0,
                });
                self.attention = self.attention.max(1);
            }
            return number == Some(1);
        };
        let is_next = number == Some(parts.parts.len() + 1);
        let is_line = number.is_none() && (line.is_empty() || line.starts_with(b"<"));
        if !is_next && !is_line || parts.bytes > MOST_BYTES {
            self.end_parts();
            return self.is_of_part(line);
        }
        if is_next {
            parts.parts.push(Vec::new());
        } else if let Some(part) = parts.parts.last_mut() {
            part.extend_from_slice(line);
            part.push(b'\n');
        }
        parts.bytes += line.len();
        self.attention = self.attention.max(1);
        true
    }

    /// All parts have come: reads them, the oldest first.
    pub(super) fn end_parts(&mut self) {
        for part in self.parts.take().unwrap_or_default().parts.iter().rev() {
            let mut start = 0;
            for end in memchr_iter(b'\n', part) {
                self.line(&part[start..end]);
                start = end + 1;
            }
        }
    }
}

/// The number of a part that begins so: `Oops#1 Part2`.
fn head(line: &[u8]) -> Option<usize> {
    const LONGEST: usize = 40;
    let line = std::str::from_utf8(line.get(..LONGEST.min(line.len()))?).ok()?;
    let (reason, rest) = line.split_once('#')?;
    let (count, part) = rest.split_once(" Part")?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_head = !reason.is_empty()
        && reason.bytes().all(|byte| byte.is_ascii_alphabetic())
        && is_number(count);
    part.trim_end().parse().ok().filter(|_| is_head)
}
