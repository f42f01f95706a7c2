//! Reads from `/proc/PID/task/TID/syscall` what a task sleeps in.
//!
//! Pure. Only the numbers of the call are looked at, never the memory they point to: a process
//! can make a reader of its memory wait for ever.

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// To write to a descriptor.
    Write(u32),
    /// For exactly one descriptor, which the call does not say.
    OneDescriptor,
    /// For something else, or it does not wait.
    Other,
}

impl Waiting {
    /// From the whole line: `running`, or `-1 sp pc`, or the number of the call in decimal and
    /// six arguments, the stack and the program in hexadecimal.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_ascii();
        if line == "running" {
            return Some(Self::Other);
        }
        let mut words = line.split_ascii_whitespace();
        let number: i64 = words.next()?.parse().ok()?;
        if number < 0 {
            return Some(Self::Other);
        }
        let mut arguments = [0_u64; 6];
        for argument in &mut arguments {
            *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(Self::of_call(number, &arguments))
    }

    fn of_call(number: i64, arguments: &[u64; 6]) -> Self {
        // The kernel reads descriptors as 32 bits, whatever the rest of the register holds.
        #[allow(clippy::cast_possible_truncation, reason = "as the kernel does")]
        let descriptor = |index: usize| arguments.get(index).map_or(u32::MAX, |&word| word as u32);
        if calls::WRITE_FIRST.contains(&number) {
            Self::Write(descriptor(0))
        } else if number == calls::SPLICE {
            Self::Write(descriptor(2))
        } else if calls::POLL.contains(&number) && arguments[1] == 1 {
            Self::OneDescriptor
        } else {
            Self::Other
        }
    }
}

/// Numbers of calls that write to the descriptor in their first argument (`write`, `writev`,
/// `sendfile`, `sendto`, `sendmsg`, `sendmmsg`), of `splice`, and of `poll` and `ppoll`.
#[cfg(target_arch = "x86_64")]
mod calls {
    pub(super) const WRITE_FIRST: [i64; 6] = [1, 20, 40, 44, 46, 307];
    pub(super) const SPLICE: i64 = 275;
    pub(super) const POLL: [i64; 2] = [7, 271];
}

/// The generic table of newer architectures; there is no `poll`, only `ppoll`.
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod calls {
    pub(super) const WRITE_FIRST: [i64; 6] = [64, 66, 71, 206, 211, 269];
    pub(super) const SPLICE: i64 = 76;
    pub(super) const POLL: [i64; 1] = [73];
}

/// Other architectures: nothing is known to wait.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
mod calls {
    pub(super) const WRITE_FIRST: [i64; 0] = [];
    pub(super) const SPLICE: i64 = -1;
    pub(super) const POLL: [i64; 0] = [];
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::Waiting;

    #[test]
    fn lines_of_a_real_kernel() {
        for (line, expected) in [
            // sendto(5, …)
            (
                "44 0x5 0x7f6dc3093000 0x20000 0x4000 0x0 0x0 0x7ffd80209d08 0x7f6dc320c2ad\n",
                Some(Waiting::Write(5)),
            ),
            // sendfile(12, 13, …)
            (
                "40 0xc 0xd 0x0 0x7ffff000 0x0 0x1 0x7ffd 0x7f6d\n",
                Some(Waiting::Write(12)),
            ),
            // splice(3, NULL, 9, …)
            (
                "275 0x3 0x0 0x9 0x0 0x10000 0x1 0x7ffd 0x7f6d\n",
                Some(Waiting::Write(9)),
            ),
            (
                "7 0x7ffd80209d08 0x1 0xea60 0x0 0x0 0x0 0x7ffd 0x7f6d\n",
                Some(Waiting::OneDescriptor),
            ),
            (
                "7 0x7ffd80209d08 0x2 0xea60 0x0 0x0 0x0 0x7ffd 0x7f6d\n",
                Some(Waiting::Other),
            ),
            // epoll_wait
            (
                "232 0x8 0x55d 0x200 0xffffffff 0x0 0x0 0x7ffd 0x7f6d\n",
                Some(Waiting::Other),
            ),
            // read(5, …): it waits for the next request.
            (
                "0 0x5 0x7f6d 0x20000 0x0 0x0 0x0 0x7ffd 0x7f6d\n",
                Some(Waiting::Other),
            ),
            ("running\n", Some(Waiting::Other)),
            ("-1 0x7ffd80209d08 0x7f6dc320c2ad\n", Some(Waiting::Other)),
            (
                "1 0xffffffff00000007 0x0 0x0 0x0 0x0 0x0 0x7ffd 0x7f6d\n",
                Some(Waiting::Write(7)),
            ),
        ] {
            assert_eq!(Waiting::parse(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn garbage_says_nothing() {
        for line in [
            "",
            "0",
            "44 5",
            "44 0x5 0x1",
            "x 0x0 0x0 0x0 0x0 0x0 0x0",
            "44 5 0 0 0 0 0",
        ] {
            assert_eq!(Waiting::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Waiting::parse(&[0xff, 0xfe]), None);
    }
}
