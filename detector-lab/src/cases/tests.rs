use super::{Case, Label, Place, Twin, all, is_alarm, of_selftest};
use crate::stage::{MOST_NETWORKS, Plan};
use std::collections::BTreeSet;

/// What is wrong with the rows of a table.
fn faults(cases: &[&Case]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut names, mut selftest_names) = (BTreeSet::new(), BTreeSet::new());
    for case in cases {
        let is_new =
            names.insert(case.name) && case.selftest.is_none_or(|name| selftest_names.insert(name));
        if !is_new {
            found.push(format!("{} is there twice", case.name));
        }
        let Label::Bad {
            flags,
            verdicts,
            twin,
        } = case.label
        else {
            continue;
        };
        if flags.is_empty() || verdicts.is_empty() {
            found.push(format!("nothing is due of {}", case.name));
        }
        let has_twin = match twin {
            Twin::Case(twin) => cases
                .iter()
                .any(|case| case.name == twin && case.is_honest()),
            Twin::None(reason) => !reason.is_empty(),
        };
        if !has_twin {
            found.push(format!("{} has no quiet twin: {twin:?}", case.name));
        }
    }
    found
}

#[test]
fn each_bad_case_has_its_quiet_twin_and_each_name_is_there_once() {
    let table: Vec<_> = all().collect();
    assert_eq!(faults(&table), [] as [String; 0]);
}

#[test]
fn a_name_that_is_there_twice_and_a_twin_that_is_missing_are_told() {
    let mut table: Vec<_> = all().collect();
    let treason = all().find(|case| case.name == "treason").unwrap();
    assert_eq!(faults(&[treason]).len(), 1, "its twin is missing");
    table.push(treason);
    assert_eq!(faults(&table), ["treason is there twice"]);
    let renamed = Case {
        name: "another",
        selftest: Some("reopening"),
        ..*treason
    };
    table.pop();
    table.push(&renamed);
    assert_eq!(faults(&table), ["another is there twice"]);
}

#[test]
fn there_are_enough_of_each_label_and_networks_for_all() {
    let honest = all().filter(|case| case.is_honest()).count();
    assert!(honest >= 14 && all().count() - honest >= 14);
    let networks: u32 = all().map(|case| u32::from(case.networks)).sum();
    assert!(networks < MOST_NETWORKS);
}

#[test]
fn the_selftest_has_both_labels_and_needs_one_namespace_only() {
    assert!(of_selftest().filter(|case| case.is_honest()).count() >= 5);
    assert!(of_selftest().filter(|case| !case.is_honest()).count() >= 5);
    let networks: u8 = of_selftest().map(|case| case.networks).sum();
    assert!(networks <= Plan::MOST_NARROW);
    for case in of_selftest() {
        let place = case.place;
        let is_there = matches!(
            place,
            Place::Tun | Place::Link | Place::ShrinkingClient | Place::Multipath
        );
        assert!(is_there, "{}", case.name);
    }
}

#[test]
fn an_alarm_is_a_warning_or_an_accusation_whatever_its_severity() {
    assert!(!is_alarm("info", None) && !is_alarm("info", Some("slow-client")));
    assert!(is_alarm("warning", Some("slow-client")));
    assert!(is_alarm("info", Some("slow-read-attack")));
}

#[test]
fn a_flag_of_another_kind_or_without_the_count_is_not_the_one_that_is_due() {
    let treason = all().find(|case| case.name == "treason").unwrap();
    let flag = treason.flags()[0];
    let counts = |number| move |name: &str| (name == "shrinks_treason").then_some(number);
    assert!(flag.is_met_by("window-shrink", counts(1.0), |_| None));
    assert!(!flag.is_met_by("window-shrink", counts(0.0), |_| None));
    assert!(!flag.is_met_by("window-shrink", |_| None, |_| None));
    assert!(!flag.is_met_by("dribble", counts(1.0), |_| None));
}

#[test]
fn a_flag_without_the_word_is_not_the_one_that_is_due() {
    let outbound = all().find(|case| case.name == "hung-backend").unwrap();
    let says = |direction| move |field: &str| (field == "direction").then_some(direction);
    let is_met =
        |direction| outbound.flags()[0].is_met_by("zero-window-stall", |_| None, says(direction));
    assert!(is_met("outbound") && !is_met("inbound"));
}
