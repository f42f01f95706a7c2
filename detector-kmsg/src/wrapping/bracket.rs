//! What kernel and log writers put in square brackets.

use super::date::{clock, date};
use super::stamp::Stamp;

/// What stands in square brackets before a message: seconds since boot in several forms, a date, or
/// who wrote it (`T123`, `C0`). `None`: something else.
pub(super) fn bracket(content: &str) -> Option<Option<Stamp>> {
    let content = content.trim();
    let is_writer = content.strip_prefix(['T', 'C']).is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    // Who asked for debug messages; `+0.000003` and `< 0.000003>` are since the line before.
    let is_task = content.len() <= 7
        && !content.is_empty()
        && content.bytes().all(|byte| byte.is_ascii_digit());
    if is_writer
        || is_task
        || content.starts_with('+')
        || content.starts_with('<') && content.ends_with('>')
    {
        return Some(None);
    }
    let first = content.split_whitespace().next()?;
    // The processor, as some vendors' kernels write it.
    let cut = first.split_once('@').filter(|(_, processor)| {
        (1..=3).contains(&processor.len()) && processor.bytes().all(|byte| byte.is_ascii_digit())
    });
    let first = cut.map_or(first, |(time, _)| time);
    if let Some((seconds, fraction)) = first.split_once('.')
        && !seconds.is_empty()
        && seconds.len() < 12
        && fraction.len() <= 9
        && [seconds, fraction]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let us = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction))
            .parse()
            .unwrap_or(0);
        let seconds: u64 = seconds.parse().ok()?;
        return Some(Some(Stamp::Boot(seconds * 1_000_000 + us)));
    }
    if let Some((stamp, rest)) = date(content)
        && rest.trim().len() < 8
    {
        return Some(Some(stamp));
    }
    // A date in another language, or without seconds, as `dmesg --human` has it.
    let is_clock = |word: &str| {
        clock(word).is_some() || (word.len() == 5 && clock(&format!("{word}:00")).is_some())
    };
    let has_clock = content.split_whitespace().any(is_clock);
    has_clock.then(|| Some(Stamp::Local(content.to_owned(), None)))
}
