//! Builds one scrape from the table of metrics and has the `prometheus` crate write it.
//!
//! The types of its wire format are used, not its registry, which keeps one number for each label
//! value that was ever seen.
//!
//! Families are made afresh for each scrape from one snapshot: all numbers of a page are of the
//! same moment, and a peer that is gone leaves nothing behind.

use super::definition::{Kind, Metric};
use detector_api::sanitize;
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};
use prometheus::{TEXT_FORMAT, TextEncoder};

/// `Content-Type` of the format.
pub(crate) const CONTENT_TYPE: &str = TEXT_FORMAT;

/// A page that grows metric by metric.
#[derive(Debug, Default)]
pub(crate) struct Page {
    families: Vec<MetricFamily>,
}

/// Takes the samples of one metric.
pub(crate) struct Samples<'page> {
    family: &'page mut MetricFamily,
    metric: &'static Metric,
}

impl Page {
    /// Begins a metric; its samples follow. One that gets none is left out.
    pub(crate) fn metric(&mut self, metric: &'static Metric) -> Samples<'_> {
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(match metric.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
        });
        let place = self.families.len();
        self.families.push(family);
        Samples {
            family: &mut self.families[place],
            metric,
        }
    }

    /// A metric with one sample and no labels.
    pub(crate) fn single(&mut self, metric: &'static Metric, value: impl Into<Value>) {
        self.metric(metric).sample(&[], value);
    }

    /// What a label of a metric is on this page, sample by sample.
    pub(super) fn values(&self, metric: &Metric, label: &str) -> impl Iterator<Item = String> {
        let families = self.families.iter();
        let family = families.filter(move |family| family.name() == metric.name);
        let samples = family.flat_map(|family| family.get_metric());
        let labels = samples.flat_map(|sample| sample.get_label());
        let values = labels.filter(move |pair| pair.name() == label);
        values.map(|pair| pair.value().to_owned())
    }

    /// The finished page.
    ///
    /// # Errors
    ///
    /// What the encoder refuses: a family without a name.
    pub(crate) fn into_text(mut self) -> prometheus::Result<String> {
        self.families
            .retain(|family| !family.get_metric().is_empty());
        TextEncoder::new().encode_to_string(&self.families)
    }
}

/// A number of a sample. The format knows only floating point; counts stay exact up to 2^53.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value(f64);

impl From<u64> for Value {
    #[allow(
        clippy::cast_precision_loss,
        reason = "the format's numbers are of this type"
    )]
    fn from(value: u64) -> Self {
        Self(value as f64)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        // A ratio of nothing by nothing is a slip of ours and no infinity.
        Self(if value.is_finite() { value } else { f64::NAN })
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self(f64::from(u8::from(value)))
    }
}

impl Samples<'_> {
    /// One sample; `labels` are the values in the order of the metric's label names.
    ///
    /// The encoder escapes quotes, backslashes and line ends, and passes on all else; so values are
    /// sanitized here.
    pub(crate) fn sample(&mut self, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), self.metric.labels.len());
        let pairs = self.metric.labels.iter().zip(labels);
        let pairs = pairs.map(|(name, value)| label(name, sanitize::text(value)));
        let mut sample = proto::Metric::from_label(pairs.collect());
        let Value(value) = value.into();
        match self.metric.kind {
            Kind::Counter => {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
        }
        self.family.mut_metric().push(sample);
    }
}

fn label(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

#[cfg(test)]
mod tests {
    use super::super::definition::{BUILD_INFO, MAP_ENTRIES, PINNED_BYTES, SWEEP_SECONDS};
    use super::Page;

    fn samples(page: Page) -> Vec<String> {
        let text = page.into_text().unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn samples_are_written_exactly() {
        let mut page = Page::default();
        page.single(&PINNED_BYTES, (1_u64 << 53) - 1);
        page.single(&SWEEP_SECONDS, 0.25);
        page.single(&SWEEP_SECONDS, f64::INFINITY);
        page.metric(&BUILD_INFO).sample(&["1", "x"], true);
        let expected = [
            "detector_pinned_bytes 9007199254740991",
            "detector_sweep_seconds 0.25",
            "detector_sweep_seconds NaN",
            "detector_build_info{version=\"1\",arch=\"x\"} 1",
        ];
        assert_eq!(samples(page), expected);
    }

    #[test]
    fn labels_are_sanitized_and_escaped() {
        let mut page = Page::default();
        let hostile = "a\"b\\c\nd\re\u{1b}[31m\u{202e}";
        page.metric(&MAP_ENTRIES).sample(&[hostile], 7_u64);
        let line =
            "detector_bpf_map_entries{map=\"a\\\"b\\\\c\u{fffd}d\u{fffd}e\u{fffd}[31m\u{fffd}\"} 7";
        assert_eq!(samples(page), [line]);
    }

    #[test]
    fn a_metric_without_samples_is_left_out() {
        let mut page = Page::default();
        page.metric(&MAP_ENTRIES);
        page.single(&PINNED_BYTES, 1_u64);
        let text = page.into_text().unwrap();
        assert!(text.starts_with("# HELP detector_pinned_bytes "), "{text}");
        assert!(text.contains("\n# TYPE detector_pinned_bytes gauge\n"));
    }
}
