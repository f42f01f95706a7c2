//! The line that the kernel wrote of a window taken back to zero, and writes no longer.
//!
//! `tcp_retransmit_timer` said `TCP: Treason uncloaked! Peer %pI4:%u/%u shrinks window %u:%u.
//! Repaired.`, with address and port of the peer, our port, `snd_una` and `snd_nxt`: the range that
//! was in flight. Nothing is repaired here, so that is left out.

use crate::snapshot::{Event, EventType, FlagEvidence};
use std::net::{IpAddr, SocketAddr};

/// That line for a flag that was raised by a window taken back to zero with data in flight, while
/// that holds; `None` for any other event.
#[must_use]
pub fn kernel_line(event: &Event) -> Option<String> {
    let FlagEvidence::WindowShrink(shrink) = &event.flag else {
        return None;
    };
    let connection = shrink.connection;
    let is_to_zero = shrink.shrinks_treason > 0 && connection.window_bytes == 0;
    if event.event != EventType::Flag || !is_to_zero || connection.in_flight_bytes == 0 {
        return None;
    }
    let sequence = event.sequence?;
    let remote: SocketAddr = event.remote.as_deref()?.parse().ok()?;
    let local: SocketAddr = event.local.as_deref()?.parse().ok()?;
    Some(format!(
        "TCP: Treason uncloaked! Peer {}:{}/{} shrinks window {}:{}.",
        kernel_address(remote.ip()),
        remote.port(),
        local.port(),
        sequence.snd_una,
        sequence.snd_nxt,
    ))
}

/// As `%pI4` and `%pI6` write it: of IPv6 all eight groups in full.
fn kernel_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::kernel_line;
    use crate::fixtures::event;
    use crate::snapshot::{Event, EventType, FlagKind};

    fn retraction(remote: &str, numbers: &[(&str, f64)]) -> Event {
        let mut event = event(1, FlagKind::WindowShrink, numbers);
        event.remote = Some(remote.to_owned());
        event
    }

    const TO_ZERO: [(&str, f64); 2] = [("shrinks_treason", 1.0), ("in_flight_bytes", 190.0)];

    #[test]
    fn a_retraction_to_zero_is_told_as_the_kernel_did() {
        let v4 = retraction("203.0.113.9:39660", &TO_ZERO);
        assert_eq!(
            kernel_line(&v4).as_deref(),
            Some(
                "TCP: Treason uncloaked! Peer 203.0.113.9:39660/80 shrinks window \
                 3584164780:3584164970."
            )
        );
        let mut v6 = retraction("[2001:db8::9]:39660", &TO_ZERO);
        v6.local = Some("[2001:db8::1]:443".to_owned());
        assert_eq!(
            kernel_line(&v6).as_deref(),
            Some(
                "TCP: Treason uncloaked! Peer 2001:0db8:0000:0000:0000:0000:0000:0009:39660/443 \
                 shrinks window 3584164780:3584164970."
            )
        );
    }

    #[test]
    fn nothing_else_is() {
        let remote = "203.0.113.9:39660";
        let partly = [("shrinks_below_flight", 1.0), ("in_flight_bytes", 190.0)];
        assert_eq!(kernel_line(&retraction(remote, &partly)), None);
        let open_again = [TO_ZERO[0], TO_ZERO[1], ("window_bytes", 9_000.0)];
        assert_eq!(kernel_line(&retraction(remote, &open_again)), None);
        assert_eq!(kernel_line(&retraction("a name", &TO_ZERO)), None);
        let mut over = retraction(remote, &TO_ZERO);
        over.event = EventType::Cleared;
        assert_eq!(kernel_line(&over), None);
        let stall = event(1, FlagKind::ZeroWindowStall, &[("in_flight_bytes", 190.0)]);
        assert_eq!(kernel_line(&stall), None);
    }
}
