//! The weighing of a peer in lines: what its verdict rests on, what speaks against it, what to do.

use super::text::wrapped;
use super::theme;
use crate::humane;
use detector_core::snapshot::{Assessment, Outcome};
use ratatui::style::Style;
use std::collections::BTreeMap;

/// `drains nothing: holding connections 12, floor 500 B/s`
fn told(label: &str, numbers: &BTreeMap<String, f64>) -> String {
    let label = label.replace('-', " ");
    if numbers.is_empty() {
        return label;
    }
    let numbers: Vec<String> = numbers
        .iter()
        .map(|(name, number)| {
            // The unit is told with the number.
            let named = ["_bytes_per_second", "_bytes", "_seconds"]
                .iter()
                .find_map(|unit| name.strip_suffix(unit));
            let named = named.unwrap_or(name).replace('_', " ");
            format!("{named} {}", humane::measure(name, *number))
        })
        .collect();
    format!("{label}: {}", numbers.join(", "))
}

/// What the verdict rests on, the weightiest first.
pub(super) fn reasons(assessment: &Assessment) -> Vec<String> {
    let reasons = assessment.evidence_for.iter();
    reasons
        .map(|evidence| told(evidence.code.label(), &evidence.numbers))
        .collect()
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
        for (index, line) in wrapped(text, room).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let indent = usize::from(INDENT) - 1;
            self.lines.push((format!("{label:<indent$} {line}"), style));
        }
    }
}

/// What speaks for the verdict and what against it, in lines of at most `width` cells.
pub(super) fn weighed(assessment: &Assessment, width: u16) -> Vec<(String, Style)> {
    let mut lines = Lines::new(width);
    for reason in reasons(assessment) {
        lines.add("for", &reason, Style::new());
    }
    for evidence in &assessment.evidence_against {
        let text = told(evidence.code.label(), &evidence.numbers);
        lines.add("against", &text, Style::new());
    }
    lines.lines
}

/// Which benign causes were considered, what would change the verdict, what to do.
pub(super) fn considered(assessment: &Assessment, width: u16) -> Vec<(String, Style)> {
    let mut lines = Lines::new(width);
    for advice in &assessment.advice {
        let text = told(advice.code.label(), &advice.numbers);
        lines.add("to do", &text, theme::heading());
    }
    for considered in &assessment.considered {
        if considered.outcome != Outcome::RuledOut {
            let text = told(considered.cause.label(), &considered.numbers);
            lines.add(considered.outcome.label(), &text, Style::new());
        }
    }
    let ruled_out: Vec<String> = assessment
        .considered
        .iter()
        .filter(|considered| considered.outcome == Outcome::RuledOut)
        .map(|considered| considered.cause.label().replace('-', " "))
        .collect();
    if !ruled_out.is_empty() {
        lines.add("ruled out", &ruled_out.join(", "), theme::quiet());
    }
    for change in &assessment.would_change {
        let verdict = change
            .verdict
            .map_or("no verdict", |verdict| verdict.label());
        let text = told(change.code.label(), &change.numbers);
        lines.add(
            "changes if",
            &format!("{text}; then {verdict}"),
            theme::quiet(),
        );
    }
    lines.lines
}

/// Cells of the labels.
const INDENT: u16 = 14;
