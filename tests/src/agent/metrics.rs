//! The Prometheus text format, as far as tests need it.

use anyhow::{Context, Result};

/// A scrape.
#[derive(Debug)]
pub struct Metrics {
    text: String,
}

impl Metrics {
    pub(super) const fn new(text: String) -> Self {
        Self { text }
    }

    /// The whole scrape.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Value of the sample with this name and these labels (in any order, none missing), if any.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Result<Option<f64>> {
        for line in self.text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            if is_series(series, name, labels) {
                return Ok(Some(
                    value.parse().with_context(|| format!("value in: {line}"))?,
                ));
            }
        }
        Ok(None)
    }

    /// The same, 0 if there is no such sample.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        Ok(self.find(name, labels)?.unwrap_or(0.0))
    }

    /// Sum over all samples of `name`.
    pub fn sum(&self, name: &str) -> Result<f64> {
        let mut sum = 0.0;
        for line in self.text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            if series.split('{').next() == Some(name) {
                sum += value
                    .parse::<f64>()
                    .with_context(|| format!("value in: {line}"))?;
            }
        }
        Ok(sum)
    }
}

fn is_series(series: &str, name: &str, labels: &[(&str, &str)]) -> bool {
    let (found, rest) = series.split_once('{').unwrap_or((series, "}"));
    let inside = rest.trim_end_matches('}');
    let count = inside.split(',').filter(|label| !label.is_empty()).count();
    found == name
        && count == labels.len()
        && labels.iter().all(|(key, value)| {
            inside
                .split(',')
                .any(|label| label == format!("{key}=\"{value}\""))
        })
}
