//! Writes the Prometheus text format, version 0.0.4.

use super::definition::Metric;
use std::fmt::Write as _;

/// `Content-Type` of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that grows metric by metric.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

/// Takes the samples of one metric.
pub(crate) struct Samples<'page> {
    text: &'page mut String,
    metric: &'static Metric,
}

impl Page {
    /// An empty page with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
        }
    }

    /// Begins a metric; its samples follow.
    pub(crate) fn metric(&mut self, metric: &'static Metric) -> Samples<'_> {
        let (name, kind) = (metric.name, metric.kind.name());
        // Writing to a string cannot fail.
        let _ = write!(
            self.text,
            "# HELP {name} {}\n# TYPE {name} {kind}\n",
            metric.help
        );
        Samples {
            text: &mut self.text,
            metric,
        }
    }

    /// A metric with one sample and no labels.
    pub(crate) fn single(&mut self, metric: &'static Metric, value: impl Into<Value>) {
        self.metric(metric).sample(&[], value);
    }

    /// The finished page.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A number of a sample; whole numbers stay exact.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// A count.
    Whole(u64),
    /// A measure.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl Samples<'_> {
    /// One sample; `labels` are the values in the order of the metric's label names.
    pub(crate) fn sample(&mut self, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), self.metric.labels.len());
        self.text.push_str(self.metric.name);
        for (index, (name, label)) in self.metric.labels.iter().zip(labels).enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.push_escaped(label);
            self.text.push('"');
        }
        if !self.metric.labels.is_empty() {
            self.text.push('}');
        }
        let _ = match value.into() {
            Value::Whole(value) => writeln!(self.text, " {value}"),
            Value::Real(value) if value.is_finite() => writeln!(self.text, " {value}"),
            // A ratio of nothing by nothing is a slip of ours and no infinity.
            Value::Real(_) => writeln!(self.text, " NaN"),
        };
    }

    fn push_escaped(&mut self, label: &str) {
        for character in label.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                plain => self.text.push(plain),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{BUILD_INFO, PINNED_BYTES, SWEEP_SECONDS};
    use super::Page;

    #[test]
    fn samples_are_written_exactly_and_labels_escaped() {
        let mut page = Page::default();
        page.single(&PINNED_BYTES, u64::MAX);
        page.single(&SWEEP_SECONDS, 0.25);
        page.metric(&BUILD_INFO).sample(&["a\"b\\c\nd", "x"], true);
        let text = page.into_text();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "detector_pinned_bytes 18446744073709551615",
                "detector_sweep_seconds 0.25",
                "detector_build_info{version=\"a\\\"b\\\\c\\nd\",arch=\"x\"} 1",
            ]
        );
        assert!(text.starts_with("# HELP detector_pinned_bytes "));
        assert!(text.contains("\n# TYPE detector_sweep_seconds gauge\n"));
    }
}
