use super::{Networks, of_peer};
use crate::report::model::Registered;
use std::net::IpAddr;
use std::path::PathBuf;
use tempfile::TempDir;

/// A value of a data section.
enum Value {
    Text(&'static str),
    Short(u16),
    Long(u32),
    Epoch(u64),
    Map(Vec<(&'static str, Self)>),
    None,
}

impl Value {
    fn write(&self, to: &mut Vec<u8>) {
        let control = |to: &mut Vec<u8>, kind: u8, size: usize| match u8::try_from(size) {
            Ok(size @ 0..29) => to.push(kind << 5 | size),
            Ok(size) => to.extend([kind << 5 | 29, size - 29]),
            Err(_) => unreachable!("short values only"),
        };
        match self {
            Self::Text(text) => {
                control(to, 2, text.len());
                to.extend(text.bytes());
            }
            Self::Short(number) => {
                control(to, 5, 2);
                to.extend(number.to_be_bytes());
            }
            Self::Long(number) => {
                control(to, 6, 4);
                to.extend(number.to_be_bytes());
            }
            // Extended types have their number in a second byte.
            Self::Epoch(number) => {
                to.extend([8, 2]);
                to.extend(number.to_be_bytes());
            }
            Self::Map(fields) => {
                control(to, 7, fields.len());
                for (name, value) in fields {
                    Self::Text(name).write(to);
                    value.write(to);
                }
            }
            Self::None => to.extend([0, 4]),
        }
    }
}

/// A file that knows these networks.
fn file(networks: &[(&str, u8, Value)]) -> Vec<u8> {
    const NOTHING: usize = usize::MAX;
    const DATA: usize = 1 << 40;
    let mut nodes = vec![[NOTHING; 2]];
    let mut data = Vec::new();
    for (address, length, value) in networks {
        let (bits, length) = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), length + 96),
            IpAddr::V6(address) => (u128::from(address), *length),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[node][side] = DATA + data.len();
            } else if nodes[node][side] == NOTHING {
                nodes[node][side] = nodes.len();
                node = nodes.len();
                nodes.push([NOTHING; 2]);
            } else {
                node = nodes[node][side];
            }
        }
        value.write(&mut data);
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for record in nodes.as_flattened() {
        let record = match *record {
            NOTHING => count,
            data @ DATA.. => data - DATA + count + 16,
            node => node,
        };
        bytes.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    Value::Map(vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Epoch(1_798_578_245)),
        ("database_type", Value::Text("test")),
        ("description", Value::Map(vec![("en", Value::Text("test"))])),
        ("ip_version", Value::Short(6)),
        ("languages", Value::None),
        ("node_count", Value::Long(u32::try_from(count).unwrap())),
        ("record_size", Value::Short(24)),
    ])
    .write(&mut bytes);
    bytes
}

fn maxmind() -> Vec<u8> {
    let country = |code, name| {
        let names = Value::Map(vec![("en", Value::Text(name))]);
        Value::Map(vec![("iso_code", Value::Text(code)), ("names", names)])
    };
    file(&[
        (
            "203.0.113.0",
            24,
            Value::Map(vec![
                ("autonomous_system_number", Value::Long(64_500)),
                ("autonomous_system_organization", Value::Text("EXAMPLE-NET")),
                ("country", country("XX", "Utopia")),
            ]),
        ),
        (
            "2001:db8::",
            32,
            Value::Map(vec![
                ("asn", Value::Text("AS64501")),
                ("as_name", Value::Text("evil\u{1b}]0;\u{202e}</title>")),
                ("country", Value::Text("YY")),
            ]),
        ),
    ])
}

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("networks.mmdb");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn networks_and_countries_are_found_in_files_of_both_forms() {
    let (_folder, path) = written(&maxmind());
    let networks = [Networks::open(&path).unwrap()];
    let words = |peer| of_peer(&networks, peer).map(|registered| registered.words());
    let expected = "EXAMPLE-NET (AS64500), Utopia";
    assert_eq!(words("203.0.113.9").as_deref(), Some(expected));
    assert_eq!(words("::ffff:203.0.113.9").as_deref(), Some(expected));
    let of_other = words("2001:db8:1:2::/64").unwrap();
    assert_eq!(of_other, "evil\u{fffd}]0;\u{fffd}</title> (AS64501), YY");
    for stranger in ["192.0.2.1", "2001:db9::/64", "nobody", ""] {
        assert_eq!(words(stranger), None, "{stranger}");
    }
}

#[test]
fn what_one_file_lacks_another_may_have() {
    let one = file(&[(
        "203.0.113.0",
        24,
        Value::Map(vec![("country_name", Value::Text("Utopia"))]),
    )]);
    let (_folders, files): (Vec<_>, Vec<_>) = [one, maxmind()]
        .iter()
        .map(|bytes| {
            let (folder, path) = written(bytes);
            (folder, Networks::open(&path).unwrap())
        })
        .unzip();
    let both = of_peer(&files, "203.0.113.9");
    assert_eq!(
        both,
        Some(Registered {
            name: Some("EXAMPLE-NET".to_owned()),
            as_number: Some(64_500),
            country: Some("Utopia".to_owned()),
        })
    );
}

#[test]
fn a_missing_or_foreign_file_is_refused_with_a_hint() {
    let (folder, path) = written(b"<html>no database</html>");
    for path in [
        path,
        folder.path().join("missing"),
        folder.path().to_owned(),
    ] {
        let failure = Networks::open(&path).err().unwrap().to_string();
        assert!(
            failure.contains("cannot read the file of networks"),
            "{failure}"
        );
        assert!(
            failure.contains("hint: name a file in MaxMind's format"),
            "{failure}"
        );
    }
}

/// Every byte of a file wrong in turn, and the file cut at every place: no panic, and no endless
/// search.
#[test]
fn a_damaged_file_does_no_harm() {
    let whole = maxmind();
    let look = |bytes: Vec<u8>| {
        if let Ok(reader) = maxminddb::Reader::from_source(bytes) {
            let networks = Networks(reader);
            for peer in ["203.0.113.9", "2001:db8::/64", "255.255.255.255"] {
                drop(networks.of_peer(peer));
            }
        }
    };
    for place in 0..whole.len() {
        look(whole[..place].to_vec());
        for value in [0, 0x20, 0x3f, 0x7f, 0xe0, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] = value;
            look(bytes);
        }
    }
}
