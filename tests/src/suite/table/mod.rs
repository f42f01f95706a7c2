//! The labelled scenarios.

mod bad;
mod honest;

use super::scenario::Scenario;

/// All of them, each to be played in both families.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::from(bad::lone_peers());
    all.extend(bad::crowds());
    all.extend(bad::real_tools());
    all.extend(honest::peers());
    all.extend(honest::readers());
    all
}

#[cfg(test)]
mod tests {
    use super::scenarios;
    use crate::suite::scenario::Label;

    #[test]
    fn there_are_enough_of_each_label_and_names_are_unique() {
        let all = scenarios();
        let is_bad = |label: &Label| matches!(label, Label::Bad { .. });
        let bad = all.iter().filter(|each| is_bad(&each.label)).count();
        assert!(bad >= 14 && all.len() - bad >= 14);
        let mut names: Vec<_> = all.iter().map(|each| each.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        let networks: u32 = all.iter().map(|each| u32::from(each.networks)).sum();
        assert!(networks < 240, "numbers of networks fit a byte");
    }
}
