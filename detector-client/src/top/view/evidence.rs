//! The weighing of a peer in lines: what its verdict rests on, what speaks against it, what to do.

use super::theme;
use crate::layout::wrap;
use detector_api::page::PeerPage;
use detector_api::snapshot::{Assessment, Considered, Outcome};
use detector_api::text::{self, Circumstances, Servers};
use ratatui::style::Style;

/// What the verdict rests on, the weightiest first.
pub(super) fn reasons(assessment: &Assessment) -> Vec<String> {
    let reasons = assessment.evidence_for.iter();
    reasons.map(text::evidence).collect()
}

/// Lines under labels, as they are put together.
struct Lines {
    width: u16,
    lines: Vec<(String, Style)>,
}

impl Lines {
    const fn new(width: u16) -> Self {
        Self {
            width,
            lines: Vec::new(),
        }
    }

    fn add(&mut self, label: &str, text: &str, style: Style) {
        let room = usize::from(self.width.saturating_sub(INDENT));
        for (index, line) in wrap(text, room).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let indent = usize::from(INDENT) - 1;
            self.lines.push((format!("{label:<indent$} {line}"), style));
        }
    }
}

/// The same label before each of these texts, in lines of at most `width` cells.
pub(super) fn labelled(
    label: &str,
    texts: impl Iterator<Item = String>,
    width: u16,
) -> Vec<(String, Style)> {
    let mut lines = Lines::new(width);
    for text in texts {
        lines.add(label, &text, Style::new());
    }
    lines.lines
}

/// What speaks for the verdict and what against it, in lines of at most `width` cells.
pub(super) fn weighed(assessment: &Assessment, width: u16) -> Vec<(String, Style)> {
    let mut lines = Lines::new(width);
    for reason in reasons(assessment) {
        lines.add("for", &reason, Style::new());
    }
    for evidence in &assessment.evidence_against {
        lines.add("against", &text::evidence(evidence), Style::new());
    }
    lines.lines
}

/// What to do, which benign causes were considered, what would change the verdict.
pub(super) fn considered(page: &PeerPage, width: u16) -> Vec<(String, Style)> {
    let assessment = &page.detail.assessment;
    let mut lines = Lines::new(width);
    let around = circumstances(page);
    for advice in &assessment.advice {
        let step = text::advice(advice, &around);
        lines.add("to do", &step.what, theme::heading());
        if !step.settings.is_empty() {
            let where_to = format!("`detector explain {}` has the lines", page.detail.peer.peer);
            lines.add("", &where_to, theme::quiet());
        }
    }
    let is_out = |considered: &&Considered| considered.outcome == Outcome::RuledOut;
    for considered in assessment.considered.iter().filter(|each| !is_out(each)) {
        let text = text::considered(considered);
        lines.add(text::outcome(considered.outcome), &text, Style::new());
    }
    for considered in assessment.considered.iter().filter(is_out) {
        let text = text::considered(considered);
        lines.add(text::outcome(Outcome::RuledOut), &text, theme::quiet());
    }
    for change in &assessment.would_change {
        lines.add("changes to", &text::change(change), theme::quiet());
    }
    lines.lines
}

/// What is known here of what advice depends on.
fn circumstances(page: &PeerPage) -> Circumstances {
    let peer = &page.detail.peer;
    let processes = peer.processes.iter();
    Circumstances {
        servers: Servers::of(processes.map(|process| process.comm.as_str())),
        ports: peer.services.clone(),
        address: peer.peer.parse().ok(),
        is_ipv6: peer.peer.contains(':'),
        ..Circumstances::of(&page.detail.assessment)
    }
}

/// Cells of the labels.
const INDENT: u16 = 14;
