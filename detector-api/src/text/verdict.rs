//! What a peer is taken to be, how sure that is, and what the words mean.

use crate::snapshot::{Confidence, Severity, Verdict};

/// `a zero-window attack`: completes `… is taken to be`.
const fn noun(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::SlowReadAttack => "a slow-read attack",
        Verdict::ZeroWindowAttack => "a zero-window attack",
        Verdict::ShrinkingPeer => "a peer that shrinks windows",
        Verdict::Tarpit => "a tarpit that holds our own client",
        Verdict::PathLoss => "behind a path that loses segments",
        Verdict::Vanished => "gone without a word",
        Verdict::SlowClient => "a slow client",
        Verdict::Benign => "harmless",
    }
}

/// The verdict, its confidence and its severity in one sentence; `since` reads `since …`.
pub fn sentence(
    peer: &str,
    verdict: Option<Verdict>,
    confidence: Option<Confidence>,
    severity: Severity,
    since: Option<&str>,
) -> String {
    let cost = severity_words(severity);
    let Some(verdict) = verdict else {
        return format!("{peer} is not judged: there is no evidence of anything ({cost}).");
    };
    let mut sentence = format!(
        "{peer} is taken to be {} ({})",
        noun(verdict),
        verdict.label()
    );
    if let Some(confidence) = confidence {
        sentence += &format!(" with {} confidence", confidence.label());
    }
    if let Some(since) = since {
        sentence += &format!(", {since}");
    }
    sentence + &format!("; {cost}.")
}

/// What the verdict means, for somebody who reads it for the first time.
pub const fn meaning(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "None of its connections is flagged now or was recently.",
        Some(Verdict::SlowReadAttack) => {
            "It holds many connections and reads a few bytes now and then, so that timeouts \
             between two writes never end them."
        }
        Some(Verdict::ZeroWindowAttack) => {
            "It holds many connections with closed windows and reads nothing, while it answers \
             each probe, so that the kernel keeps them for as long as it likes."
        }
        Some(Verdict::ShrinkingPeer) => {
            "It takes back window that it had offered. A broken stack, a box on the path or a \
             host that saves memory does so without meaning harm."
        }
        Some(Verdict::Tarpit) => {
            "We opened these connections, and the other side takes next to nothing from us."
        }
        Some(Verdict::PathLoss) => {
            "What was seen is the doing of the way between you, not of the peer."
        }
        Some(Verdict::Vanished) => {
            "It does not answer any more: switched off, moved, or cut off on the way."
        }
        Some(Verdict::SlowClient) => {
            "It reads slowly or pauses, as phones, players and rate limits do."
        }
        Some(Verdict::Benign) => "What was seen has a cause that means no harm, or is long over.",
    }
}

/// A severity and what it says of the cost.
const fn severity_words(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "severity info: it holds little",
        Severity::Warning => "severity warning: it holds enough to look at",
        Severity::Critical => "severity critical: it holds as much as a hoard",
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;
    use crate::snapshot::{Confidence, Severity, Verdict};

    #[test]
    fn one_sentence_says_it_all() {
        assert_eq!(
            sentence(
                "203.0.113.9",
                Some(Verdict::ZeroWindowAttack),
                Some(Confidence::High),
                Severity::Critical,
                Some("since 21:04:05"),
            ),
            "203.0.113.9 is taken to be a zero-window attack (zero-window-attack) with high \
             confidence, since 21:04:05; severity critical: it holds as much as a hoard."
        );
        let unjudged = sentence("203.0.113.9", None, None, Severity::Info, None);
        assert!(unjudged.contains("not judged"), "{unjudged}");
    }
}
