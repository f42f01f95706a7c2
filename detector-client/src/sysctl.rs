//! Reads settings of the kernel under `/proc/sys/net/ipv4`.

use std::path::Path;

/// One number, as in `tcp_orphan_retries`; `None` if it cannot be read.
pub(crate) fn number(name: &str) -> Option<u64> {
    numbers::<1>(name).map(|[number]| number)
}

/// So many numbers, as in `tcp_wmem`.
pub(crate) fn numbers<const N: usize>(name: &str) -> Option<[u64; N]> {
    let path = Path::new("/proc/sys/net/ipv4").join(name);
    parse(&std::fs::read_to_string(path).ok()?)
}

fn parse<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers = text.split_whitespace().map(|word| word.parse().ok());
    let numbers: Option<Vec<u64>> = numbers.collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn settings_are_read_whole_or_not_at_all() {
        assert_eq!(
            parse("4096\t16384\t4194304\n"),
            Some([4_096, 16_384, 4_194_304])
        );
        assert_eq!(parse::<1>("0\n"), Some([0]));
        assert_eq!(parse::<1>("1 2"), None);
        assert_eq!(parse::<1>("-1"), None);
        assert_eq!(parse::<3>(""), None);
    }
}
