//! Lines of text to messages.

use super::LogReader;
use super::broken::without_soft_end;
use crate::digest::Origin;
use crate::message::{self, Parsed};
use crate::wrapping::{json, markup, prefix};

impl LogReader {
    /// A text of one or more lines.
    pub(super) fn text(&mut self, text: &str, origin: &Origin) {
        // A container may write what a collector of logs gave it.
        if let Some(records) = json::inner(text) {
            for record in records {
                self.record(record, origin.clone());
            }
            return;
        }
        for line in markup::plain(text)
            // As syslog writes the end of a line within a message.
            .split("#012")
            .flat_map(|part| part.split(['\n', '\r']))
            .filter(|line| !line.trim().is_empty())
        {
            self.text_line(line, origin);
        }
    }

    fn text_line(&mut self, line: &str, origin: &Origin) {
        let found = prefix::unwrap(line);
        if let Some(broken) = self.broken.take()
            && !self.go_on(broken, line, &found)
        {
            return;
        }
        let before = self.bare.take().filter(|_| !found.is_wrapped);
        let outer = before.as_ref().unwrap_or(origin);
        let stamps = found.stamps.or(&outer.stamps);
        let host = found.host.map(str::to_owned).or_else(|| outer.host.clone());
        let origin = Origin {
            line: origin.line,
            stamps,
            host,
            count: found.count,
        };
        if found.is_foreign {
            return self.foreign(found.rest);
        }
        if found.is_wrapped && found.rest.is_empty() {
            self.bare = Some(origin);
            self.attention = self.attention.max(1);
            return;
        }
        if !found.is_escaped {
            return self.messages(found.rest, &origin);
        }
        for line in markup::unescaped(found.rest).split('\n') {
            self.messages(line, &origin);
        }
    }

    /// The messages in a text, one after the other where line ends were lost.
    fn messages(&mut self, text: &str, origin: &Origin) {
        let (text, is_soft) = without_soft_end(text);
        let mut rest = text;
        loop {
            match message::parse(rest) {
                Parsed::Message(message, "") if message.may_go_on() => {
                    return self.hold(rest, is_soft, origin);
                }
                Parsed::Message(message, after) => {
                    let count = origin.count.max(message::times_after(after));
                    let origin = Origin {
                        count,
                        ..origin.clone()
                    };
                    self.digest.take(message, &origin);
                    rest = after.trim_start_matches(|c: char| {
                        !c.is_ascii_alphanumeric() && c != '[' && c != '<'
                    });
                    rest = prefix::unwrap(rest).rest;
                    if rest.is_empty() || rest.len() >= text.len() || !message::begins(rest) {
                        return;
                    }
                }
                Parsed::Cut(_) | Parsed::Begun => return self.hold(rest, is_soft, origin),
                Parsed::Impossible => {
                    self.digest.left_out().impossible += 1;
                    return;
                }
                Parsed::NoLocalPort => {
                    self.digest.left_out().without_local_port += 1;
                    return;
                }
                Parsed::Nothing => return self.foreign(rest),
            }
        }
    }
}
