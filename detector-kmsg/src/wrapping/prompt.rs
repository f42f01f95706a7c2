//! Prompts on a serial console: they have no line end, so the kernel's next line stands behind them.

use super::bracket::bracket;
use super::prefix::Unwrapping;
use super::stamp::Stamp;

/// What `login` and `BusyBox` say.
const NAMELESS: [&str; 6] = ["Password: ", "login: ", "/ # ", "/ $ ", "~ # ", "~ $ "];

impl Unwrapping<'_> {
    /// `web1 login: [12.5] …`, `root@web1:~# [12.5] …`, at the very front and right before the kernel's time.
    /// Whether there was one.
    pub(super) fn prompt(&mut self) -> bool {
        let text = self.text;
        let nameless = || {
            let mut ends = NAMELESS.iter();
            ends.find_map(|end| Some((None, text.strip_prefix(end)?)))
        };
        let found = getty(text).or_else(|| shell(text)).or_else(nameless);
        let Some((host, rest)) = found.filter(|(_, rest)| has_kernel_time(rest)) else {
            return false;
        };
        self.host = host;
        self.text = rest;
        true
    }
}

/// `web1 login: `, `(none) login: `.
fn getty(text: &str) -> Option<(Option<&str>, &str)> {
    let (host, rest) = text.split_once(" login: ")?;
    (is_host(host) || host == "(none)").then_some((Some(host), rest))
}

/// `root@web1:~# `, `[root@web1 ~]# `.
fn shell(text: &str) -> Option<(Option<&str>, &str)> {
    const LONGEST: usize = 128;
    let end = [text.find("# "), text.find("$ ")];
    let end = { end.into_iter().flatten().min() }.filter(|end| *end <= LONGEST)?;
    let (prompt, rest) = (&text[..end], &text[end + 2..]);
    let bracketed = || prompt.strip_prefix('[')?.strip_suffix(']')?.split_once(' ');
    let (place, path) = bracketed().or_else(|| prompt.split_once(':'))?;
    let (user, host) = place.split_once('@')?;
    let is_prompt = is_host(user) && is_host(host) && !path.contains(' ');
    is_prompt.then_some((Some(host), rest))
}

fn is_host(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.chars().all(is_part)
}

/// Whether the kernel's time stands here, maybe with a priority.
pub(super) fn has_kernel_time(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c == '<' || c == '>' || c.is_ascii_digit());
    let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(inside, _)| matches!(bracket(inside), Some(Some(Stamp::Boot(_)))))
}
