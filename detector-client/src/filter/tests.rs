use super::{Filter, FilterError};
use crate::columns::tests::context;
use crate::columns::{Kind, Row};
use detector_api::fixtures::{connection, peer, process};
use detector_api::row::PeerRow;
use detector_api::snapshot::Connection;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Filter<PeerRow>, FilterError> {
    Filter::parse(text)
}

fn wants(text: &str, row: &PeerRow) -> bool {
    parse(text).unwrap().wants(row, &context())
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn all_conditions_must_hold() {
    let row = peer("203.0.113.7", 20_000_000);
    for text in [
        "",
        "  ",
        "verdict=slow-read-attack pinned>10M net=203.0.113.0/24 unit=httpd",
        "pinned > 10M",
        "pinned>=20MB",
        "pinned<20MiB",
        "pinned_bytes==20000000",
        "verdict!=benign verdict~slow",
        "severity>info severity>=warning severity<critical",
        "service=443 port!=8080 service<100",
        "stalled=2",
        "longest>=1m longest<1h30m",
        "drain<500B/s",
        "share>1% share<50",
        "process=httpd process~HTT",
        "unit=httpd.service",
        "last-seen<10m first-seen>4m",
        "peer=203.0.113.7 peer~113",
        "shrinks=6",
        "unit=\"httpd\"",
    ] {
        assert!(wants(text, &row), "{text}");
    }
    for text in [
        "pinned>20M",
        "verdict=none",
        "net=203.0.112.0/24",
        "net!=0.0.0.0/0",
        "net=2001:db8::/32",
        "unit=http",
        "unit=nginx",
        "service=8080",
        "verdict=slow-read-attack pinned<1",
        "last-seen<30s",
    ] {
        assert!(!wants(text, &row), "{text}");
    }
}

#[test]
fn what_is_absent_is_none_and_no_number() {
    let mut row = peer("2001:db8:1:2::/64", 1);
    row.peer.verdict = None;
    row.peer.processes.clear();
    assert!(wants("verdict=none", &row));
    assert!(wants("verdict!=benign unit!=httpd", &row));
    assert!(!wants("unit~h", &row));
    // An address of a client finds the network it was counted under.
    assert!(wants("peer=2001:db8:1:2::9 net=2001:db8::/32", &row));
}

#[test]
fn names_from_outside_need_quotes_only_for_spaces() {
    let mut row = peer("203.0.113.7", 1);
    row.peer.processes = vec![process(1, "a \"b\" \\", None)];
    assert!(wants(r#"process="a \"b\" \\""#, &row));
    assert!(wants(r#"process~\"#, &row));
}

#[test]
fn connections_have_their_own_keys() {
    let row = connection("203.0.113.7:40000", 5);
    let wants = |text: &str| {
        Filter::<Connection>::parse(text)
            .unwrap()
            .wants(&row, &context())
    };
    for text in [
        "remote=203.0.113.7",
        "remote=203.0.113.7:40000",
        "net=203.0.113.0/24 stall=zero_window stall=zero-window",
        "orphan=no state=CLOSE-WAIT service=80",
        "rtt<100ms window=0",
    ] {
        assert!(wants(text), "{text}");
    }
    assert!(!wants("remote=203.0.113.7:40001"));
    assert!(!wants("orphan=yes"));
}

#[test]
fn errors_point_at_the_term_and_help() {
    for (text, expected) in [
        (
            "pinned>1 pined>10M",
            "in `pined>10M`: unknown key `pined`, did you mean `pinned`? (keys: peer, ",
        ),
        (
            "verdict=slow-read-atack",
            "`verdict` is never `slow-read-atack`, did you mean `slow-read-attack`? (values: ",
        ),
        ("verdict=x", "vanished, slow-client, benign, none)"),
        (
            "severity>warn",
            "in `severity>warn`: `severity` is never `warn`",
        ),
        (
            "pinned>lots",
            "in `pinned>lots`: `lots` is not a size such as",
        ),
        ("pinned>-5", "`-5` is not a size"),
        ("pinned>1e3", "`1e3` is not a size"),
        ("longest>5x", "`5x` is not a duration"),
        (
            "longest>",
            "in `longest>`: after the operator comes a value",
        ),
        ("longest", "in `longest`: after the key comes one of"),
        (">5", "in `>5`: a term begins with a key"),
        ("net=203.0.113", "`203.0.113` is not an address"),
        (
            "verdict>benign",
            "`verdict` can only be compared with = != ~",
        ),
        (
            "pinned~5",
            "`pinned` can only be compared with = != > >= < <=",
        ),
        ("unit=\"a b", "the quote is not closed"),
        ("stalled>1.5", "`1.5` is not a whole number"),
        ("unit=\u{1b}[31m pinned", "in `pinned`"),
        ("pinned>\u{1b}[31m", "`\u{fffd}[31m` is not a size"),
    ] {
        let error = refusal(text);
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = parse("pinned>1 pined>10M").unwrap_err();
    assert_eq!(error.start, 9);
    assert!(refusal(&"x".repeat(5_000)).contains("longer than"));
}

/// A value that a column of this kind can be held against.
fn operand(kind: Kind) -> BoxedStrategy<String> {
    let number = "[0-9]{1,9}(\\.[0-9]{1,3})?";
    match kind {
        Kind::Text => ".{1,20}".boxed(),
        Kind::Address => prop_oneof![
            any::<std::net::IpAddr>().prop_map(|address| address.to_string()),
            any::<std::net::SocketAddr>().prop_map(|endpoint| endpoint.to_string()),
            (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| {
                format!("{}/{length}", std::net::Ipv4Addr::from_bits(bits))
            }),
        ]
        .boxed(),
        Kind::Name(names) | Kind::Level(names) => proptest::sample::select(names)
            .prop_map(str::to_owned)
            .boxed(),
        Kind::Count => "[0-9]{1,12}".boxed(),
        Kind::Size => format!("{number}(B|k|kB|KiB|M|MiB|G|GiB|T)?").prop_map_boxed(),
        Kind::Rate => format!("{number}(B|k|MiB)?(/s)?").prop_map_boxed(),
        Kind::Duration => format!("{number}(ms|s|m|h|d)?").prop_map_boxed(),
        Kind::Share => format!("{number}%?").prop_map_boxed(),
        Kind::YesNo => "(yes|no)".boxed(),
    }
}

trait Boxing {
    fn prop_map_boxed(self) -> BoxedStrategy<String>;
}

impl Boxing for String {
    /// A strategy of what the pattern matches.
    fn prop_map_boxed(self) -> BoxedStrategy<String> {
        proptest::string::string_regex(&self).unwrap().boxed()
    }
}

fn term() -> impl Strategy<Value = String> {
    let column = 0..PeerRow::COLUMNS.len();
    column.prop_flat_map(|place| {
        let column = &PeerRow::COLUMNS[place];
        let sign = proptest::sample::select(vec!["=", "!=", ">", ">=", "<", "<=", "~"]);
        (sign, operand(column.kind)).prop_map(move |(sign, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{}{sign}\"{value}\"", column.key)
        })
    })
}

/// What was read, written and read again is the same, and wants the same rows.
fn check_round_trip(text: &str) -> Result<(), TestCaseError> {
    let Ok(filter) = parse(text) else {
        return Ok(());
    };
    let written = filter.to_string();
    let again = parse(&written);
    prop_assert_eq!(again.as_ref(), Ok(&filter), "{}", written);
    prop_assert_eq!(&written, &again.unwrap().to_string());
    // Evaluating never panics either.
    let row = peer("203.0.113.7", 20_000_000);
    let _is_wanted = filter.wants(&row, &context());
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_typed_is_read_or_refused(text in ".{0,200}") {
        check_round_trip(&text)?;
    }

    #[test]
    fn near_expressions_are_read_or_refused(
        text in "((pinned|net|unit|verdict|x)( ?(=|>|!=|~|<|\") ?)([a-z0-9.:/\"\\\\]{0,9}) ?){0,5}"
    ) {
        check_round_trip(&text)?;
    }

    #[test]
    fn expressions_read_back_as_they_were_written(terms in prop::collection::vec(term(), 0..5)) {
        check_round_trip(&terms.join(" "))?;
    }

    #[test]
    fn an_operator_and_its_opposite_split_the_rows(pinned in any::<u32>(), limit in any::<u32>()) {
        let row = peer("203.0.113.7", u64::from(pinned));
        for (one, other) in [("=", "!="), (">", "<="), ("<", ">=")] {
            let one = wants(&format!("pinned{one}{limit}"), &row);
            prop_assert_ne!(one, wants(&format!("pinned{other}{limit}"), &row));
        }
    }
}
