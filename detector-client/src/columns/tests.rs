use super::{Choice, Column, Context, Grouping, Row, Sort, group};
use crate::layout::{Align, Measure, fit};
use detector_api::fixtures::{connection, peer, process};
use detector_api::row::PeerRow;
use detector_api::snapshot::Verdict;
use std::collections::HashSet;

/// One minute after [`peer`] was last seen.
pub(crate) fn context() -> Context {
    let now = detector_api::time::rfc3339_unix_ns("2026-12-29T21:05:00.000Z");
    Context {
        now_unix_ns: now.unwrap(),
        tcp_memory_limit_bytes: Some(1_000_000_000),
    }
}

fn cell(row: &PeerRow, key: &str) -> String {
    PeerRow::column(key).unwrap().cell(row, &context())
}

/// What everything else takes for granted about the definitions.
fn check_columns<R: Row>(row: &R) {
    let mut names = HashSet::new();
    let mut ranks = HashSet::new();
    for column in R::COLUMNS {
        assert!(names.insert(column.key), "{} is there twice", column.key);
        for alias in column.aliases {
            assert!(names.insert(alias), "{alias} is there twice");
        }
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(column.key.chars().all(is_plain), "{}", column.key);
        assert!(!column.help.is_empty() && !column.help.ends_with('.'));
        assert!(column.heading.is_ascii());
        assert!(column.min_width <= column.ideal_width);
        assert_eq!(R::column(column.key).unwrap().key, column.key);
        let is_shown = column.is_default && column.dispensable > 0;
        assert!(
            !is_shown || ranks.insert(column.dispensable),
            "{}",
            column.key
        );
        assert!(!column.cell(row, &Context::default()).is_empty());
    }
}

#[test]
fn columns_are_well_defined() {
    check_columns(&peer("198.51.100.7", 1));
    check_columns(&connection("198.51.100.7:40000", 1));
}

#[test]
fn cells_read_well() {
    let row = peer("198.51.100.7", 4_220_292);
    for (key, expected) in [
        ("peer", "198.51.100.7"),
        ("verdict", "slow-read-attack"),
        ("pinned", "4.2 MB"),
        ("share", "0.4 %"),
        ("shrinks", "1/2/3"),
        ("retransmits", "5/7/6"),
        ("service", "80,443"),
        ("unit", "httpd.service"),
        ("last-seen", "60 s"),
        ("pinned_bytes", "4.2 MB"),
        ("Zero_Window", "75 s"),
    ] {
        assert_eq!(cell(&row, key), expected, "{key}");
    }
}

#[test]
fn rows_sort_by_any_column_and_absent_values_come_last() {
    let mut judged = peer("10.0.0.9", 5);
    judged.peer.verdict = Some(Verdict::Benign);
    let mut unknown = peer("10.0.0.10", 7);
    unknown.peer.verdict = None;
    let rows = [judged, unknown, peer("2001:db8::/64", 7)];
    let order = |sort: &str| {
        let mut rows = rows.to_vec();
        Sort::parse(sort).unwrap().apply(&mut rows, &context());
        let names = rows.into_iter().map(|row| row.peer.peer);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order("cost"), "10.0.0.10 2001:db8::/64 10.0.0.9");
    assert_eq!(order("-pinned"), "10.0.0.9 10.0.0.10 2001:db8::/64");
    assert_eq!(order("peer"), "10.0.0.9 10.0.0.10 2001:db8::/64");
    assert_eq!(order("-peer"), "2001:db8::/64 10.0.0.10 10.0.0.9");
    assert_eq!(order("verdict"), "2001:db8::/64 10.0.0.9 10.0.0.10");
    assert_eq!(order("-verdict"), "10.0.0.9 2001:db8::/64 10.0.0.10");
    assert_eq!(Sort::<PeerRow>::parse("-net").unwrap().to_string(), "-peer");
    let error = Sort::<PeerRow>::parse("pined").unwrap_err().to_string();
    assert!(
        error.starts_with("`pined` is not a column, did you mean `pinned`?"),
        "{error}"
    );
}

#[test]
fn a_list_of_columns_is_read() {
    let Choice(columns) = Choice::<PeerRow>::parse("peer, pinned_bytes,unit").unwrap();
    let keys: Vec<_> = columns.iter().map(|column| column.key).collect();
    assert_eq!(keys, ["peer", "pinned", "unit"]);
    assert!(Choice::<PeerRow>::parse("peer,cost").is_err());
}

#[test]
fn groups_add_up() {
    let mut dear = peer("203.0.113.9", 100);
    dear.peer.verdict = Some(Verdict::ZeroWindowAttack);
    dear.peer.services = vec![8080];
    dear.peer.last_seen = "2026-12-29T21:05:00.000Z".to_owned();
    dear.peer.processes = vec![process(8, "nginx", None), process(7, "httpd", None)];
    let rows = vec![
        peer("203.0.113.7", 10),
        dear,
        peer("198.51.100.7", 1),
        peer("2001:db8:1:2::/64", 1),
    ];
    let nets = group(rows.clone(), Grouping::Net);
    let names: Vec<_> = nets.iter().map(|row| row.peer.peer.as_str()).collect();
    assert_eq!(
        names,
        ["203.0.113.0/24", "198.51.100.0/24", "2001:db8:1::/48"]
    );
    let first = &nets[0];
    assert_eq!((first.members, first.peer.pinned_bytes), (2, 110));
    assert_eq!(first.peer.verdict, Some(Verdict::ZeroWindowAttack));
    assert_eq!(first.peer.window_shrinks.treason, 6);
    assert_eq!(first.peer.services, [80, 443, 8080]);
    assert_eq!(first.peer.last_seen, "2026-12-29T21:05:00.000Z");
    for by in Grouping::ALL {
        let groups = group(rows.clone(), by);
        let sum: u64 = groups.iter().map(|row| row.peer.pinned_bytes).sum();
        let members: u64 = groups.iter().map(|row| row.members).sum();
        assert_eq!((sum, members), (112, 4), "{by:?}");
    }
    let units = group(rows, Grouping::Unit);
    let names: Vec<_> = units.iter().map(|row| row.peer.peer.as_str()).collect();
    assert_eq!(names, ["httpd.service", "httpd, nginx"]);
}

#[test]
fn narrow_terminals_cut_text_first_and_then_leave_columns_out() {
    let measures = |columns: &[(&str, usize)]| -> Vec<Measure> {
        let of = |(key, width): &(&str, usize)| {
            let column: &Column<PeerRow> = PeerRow::column(key).unwrap();
            column.measure(column.heading.len(), *width)
        };
        columns.iter().map(of).collect()
    };
    let columns = measures(&[("peer", 18), ("pinned", 6), ("unit", 40), ("last-seen", 4)]);
    assert_eq!(fit(&columns, None), [(0, 18), (1, 6), (2, 40), (3, 9)]);
    assert_eq!(fit(&columns, Some(80)), [(0, 18), (1, 6), (2, 40), (3, 9)]);
    assert_eq!(fit(&columns, Some(60)), [(0, 18), (1, 6), (2, 21), (3, 9)]);
    assert_eq!(fit(&columns, Some(46)), [(0, 17), (1, 6), (2, 8), (3, 9)]);
    assert_eq!(fit(&columns, Some(40)), [(0, 18), (1, 6), (2, 12)]);
    assert_eq!(fit(&columns, Some(25)), [(0, 17), (1, 6)]);
    assert_eq!(fit(&columns, Some(1)), [(0, 15), (1, 6)]);
}

#[test]
fn numbers_line_up_right() {
    assert_eq!(PeerRow::column("pinned").unwrap().align, Align::Right);
    assert_eq!(PeerRow::column("verdict").unwrap().align, Align::Left);
}
