//! Values of the configuration as the record tells them: short, and so that two that differ never look alike.

use serde_json::Value;

/// Characters told of a value: a list of networks may be long.
const CHARS: usize = 200;
/// Characters told before the first difference of two values.
const CHARS_BEFORE: usize = 20;
/// Entries told of those that came into a list, and of those that went.
const ENTRIES: usize = 20;

/// What a key is set to. One that is cut has a checksum of the whole, so that two runs can be compared.
pub(super) fn setting(path: &str, written: &str, value: &Value) -> String {
    if is_short(written) {
        return format!("{path} = {written}");
    }
    let entries = match value {
        Value::Array(all) => format!("{} in all, ", all.len()),
        _ => String::new(),
    };
    let sum = checksum(written);
    format!(
        "{path} = {} ({entries}checksum {sum:016x})",
        part(written, 0)
    )
}

/// What a key has become, and what it was: of a long list what came and what went, of another long value
/// the part that differs.
pub(super) fn change(path: &str, [now, before]: [&str; 2], values: [&Value; 2]) -> String {
    if is_short(now) && is_short(before) {
        return format!("{path} = {now} (was {before})");
    }
    if let [Value::Array(now), Value::Array(before)] = values {
        return format!("{path}: {}", moves(now, before));
    }
    let same = now.chars().zip(before.chars());
    let same = same.take_while(|(one, other)| one == other).count();
    let first = same.saturating_sub(CHARS_BEFORE);
    let (now, before) = (part(now, first), part(before, first));
    format!("{path} = {now} (was {before})")
}

fn is_short(written: &str) -> bool {
    written.chars().count() <= CHARS
}

/// As much as is told from this character on, with a mark where something is left out.
fn part(written: &str, first: usize) -> String {
    let mut rest = written.chars().skip(first);
    let told: String = rest.by_ref().take(CHARS).collect();
    let mark = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{told}{}", mark(first > 0), mark(rest.next().is_some()))
}

/// `+ 192.0.2.0/24, - 198.51.100.0/24`.
fn moves(now: &[Value], before: &[Value]) -> String {
    let told = |sign: &str, these: &[Value], others: &[Value]| {
        let mut gone = these.iter().filter(|each| !others.contains(each));
        let mut told: Vec<_> = gone
            .by_ref()
            .take(ENTRIES)
            .map(|each| {
                let text = each
                    .as_str()
                    .map_or_else(|| each.to_string(), str::to_owned);
                format!("{sign} {text}")
            })
            .collect();
        let more = gone.count();
        if more > 0 {
            told.push(format!("{sign} {more} more"));
        }
        told
    };
    let mut all = told("+", now, before);
    all.extend(told("-", before, now));
    if all.is_empty() {
        return "the same entries, written otherwise".to_owned();
    }
    all.join(", ")
}

/// FNV-1a: the same in every version, and no secret.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
