//! Numbers for people: few digits, a unit.

/// Bytes with a decimal prefix and two or three digits: `4.2 MB`.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(bytes: u64) -> String {
    prefixed(bytes as f64, "B")
}

/// Whole bytes per second: `1.5 kB/s`.
pub fn pace(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
}

/// Bytes per second: `1.5 kB/s`.
pub fn rate(bytes_per_second: f64) -> String {
    prefixed(bytes_per_second, "B/s")
}

fn prefixed(mut number: f64, unit: &str) -> String {
    let mut prefixes = ["", "k", "M", "G", "T", "P"].into_iter();
    let mut prefix = prefixes.next().unwrap_or("");
    // 999.5 would be written as four digits.
    while number.abs() >= 999.5 {
        let Some(next) = prefixes.next() else { break };
        prefix = next;
        number /= 1000.0;
    }
    if number.abs() < 9.95 && !prefix.is_empty() {
        format!("{number:.1} {prefix}{unit}")
    } else {
        format!("{number:.0} {prefix}{unit}")
    }
}

/// A span of time: `0.4 s`, `75 s`, `12m 5s`, `3h 20m`, `2d 4h`.
pub fn seconds(seconds: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and negative spans do not occur"
    )]
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..100 => format!("{seconds:.0} s"),
        100..3_600 => format!("{}m {}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h {}m", whole / 3_600, whole / 60 % 60),
        _ => format!("{}d {}h", whole / 86_400, whole / 3_600 % 24),
    }
}

/// A part of a whole, 1 for all of it: `0.4 %`, `12 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() < 9.95 && percent != 0.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A number of evidence by the unit its name ends in.
pub fn measure(name: &str, number: f64) -> String {
    if name.ends_with("_bytes_per_second") {
        rate(number)
    } else if name.ends_with("_bytes") {
        prefixed(number, "B")
    } else if name.ends_with("_seconds") {
        seconds(number)
    } else {
        format!("{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, measure, rate, seconds};

    #[test]
    fn bytes_have_few_digits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_000), "1.0 kB");
        assert_eq!(bytes(9_960), "10 kB");
        assert_eq!(bytes(999_600), "1.0 MB");
        assert_eq!(bytes(4_220_292), "4.2 MB");
        assert_eq!(bytes(u64::MAX), "18447 PB");
        assert_eq!(rate(1_500.0), "1.5 kB/s");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        assert_eq!(seconds(5.04), "5.0 s");
        assert_eq!(seconds(75.2), "75 s");
        assert_eq!(seconds(725.0), "12m 5s");
        assert_eq!(seconds(12_000.0), "3h 20m");
        assert_eq!(seconds(187_200.0), "2d 4h");
    }

    #[test]
    fn evidence_is_shown_in_its_unit() {
        assert_eq!(measure("pinned_bytes", 4_220_292.0), "4.2 MB");
        assert_eq!(measure("stalled_seconds", 5.0), "5.0 s");
        assert_eq!(measure("goodput_bytes_per_second", 12.0), "12 B/s");
        assert_eq!(measure("stalled_connections", 20.0), "20");
    }
}
