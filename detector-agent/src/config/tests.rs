use super::keys::{KEYS, sections};
use super::{Config, Loaded, Origin, Overrides};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The configuration that a file with this text makes, or what is wrong.
fn parse(text: &str) -> Result<Config, String> {
    let texts = [(PathBuf::from("x.toml"), text.to_owned())];
    let loaded = Loaded::merge(&texts, &Overrides::default());
    loaded
        .map(|loaded| loaded.config)
        .map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(parse("[web]\n[detect]\n"), Ok(Config::default()));
}

#[test]
fn the_file_that_the_reference_prints_is_accepted_and_changes_nothing() {
    let defaults = Config::default();
    let mut text = String::new();
    for section in sections() {
        text += &format!("[{section}]\n");
        for key in KEYS.iter().filter(|key| key.section == section) {
            text += &format!("{} = {}\n", key.name, (key.value)(&defaults));
        }
    }
    assert_eq!(parse(&text), Ok(defaults), "{text}");
}

#[test]
fn values_are_taken() {
    let config = parse(
        "[detect]\nstall_after = \"10s\"\n[peers]\ntrusted = [\"10.0.0.0/8\", \"fd00::/8\"]\n",
    )
    .unwrap();
    assert_eq!(config.detect.stall_after.0, Duration::from_secs(10));
    assert_eq!(config.detect_settings().stall_after_ns, 10_000_000_000);
    assert_eq!(config.peers.trusted.len(), 2);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, expected) in [
        (
            "[detect]\n\nstall_afer = \"5s\"\n",
            "line 3: unknown key in [detect] `stall_afer`, did you mean `stall_after`?",
        ),
        (
            "[wob]\n",
            "line 1: unknown section `wob`, did you mean `web`?",
        ),
        (
            "[recorders]\n",
            "line 1: unknown section `recorders`, did you mean `recorder`?",
        ),
        ("web = 1\n", "line 1: `web` is a section, write [web]"),
        (
            "[detect]\nstall_after = \"5 parsecs\"\n",
            "line 2: `5 parsecs` is not a duration such as 250ms, 5s, 10m, 1h30m or 7d",
        ),
        (
            "[detect]\nhoard_bytes = 5\n",
            "line 2: invalid type: integer `5`, expected a size such as \"256MiB\"",
        ),
        ("[detect\n", "line 1: "),
        (
            "[peers]\nipv6_prefix = 0\n",
            "configuration x.toml: line 2: peers.ipv6_prefix = 0 is outside 1 to 128",
        ),
        (
            "[budget]\nnice = -21\n",
            "budget.nice = -21 is outside -20 to 19",
        ),
        (
            "[budget]\nsweep_share_idle = \"0%\"\n",
            "budget.sweep_share_idle = 0% is outside 0.01% to 100%",
        ),
        (
            "[budget]\nsweep_share_busy = \"101%\"\n",
            "budget.sweep_share_busy = 101% is outside 0.01% to 100%",
        ),
        (
            "[budget]\nsweep_share_idle = 0.004\n",
            "line 2: invalid type: floating point `0.004`, expected a percentage such as \"5%\"",
        ),
        (
            "[budget]\nring = \"3MiB\"\n",
            "budget.ring = 3MiB is not a power of two",
        ),
        (
            "[web]\nlisten_addresses = []\n",
            "number of web.listen_addresses = 0 is outside",
        ),
        (
            "[web]\nlisten_addresses = [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n",
            "web.listen_addresses names 127.0.0.1:1 twice",
        ),
        (
            "[web]\ntelemetry_path = \"/healthz\"\n",
            "is another page of the agent",
        ),
        (
            "[web]\ntelemetry_path = \"metrics\"\n",
            "is not a path such as /metrics",
        ),
        (
            "[control]\nsocket = \"relative.sock\"\n",
            "is not an absolute path",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(expected), "{text:?} gives {error:?}");
        assert_eq!(error.lines().count(), 1, "{error:?}");
    }
}

#[test]
fn flags_win_over_defaults_and_are_checked() {
    let flags = Overrides {
        listen_addresses: vec!["127.0.0.1:0".parse().unwrap()],
        telemetry_path: Some("/m".to_owned()),
        control_socket: Some(PathBuf::from("/tmp/x.sock")),
        web_config_file: None,
    };
    let config = Config::load(None, &flags).unwrap();
    assert_eq!(config.web.listen_addresses, flags.listen_addresses);
    assert_eq!(config.web.telemetry_path, "/m");
    let flags = Overrides {
        control_socket: Some(PathBuf::from(format!("/{}", "x".repeat(108)))),
        ..Overrides::default()
    };
    assert!(Config::load(None, &flags).is_err());
}

#[test]
fn an_absent_file_is_named() {
    let error = Config::load(Some("/nonexistent/x.toml".as_ref()), &Overrides::default());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("/nonexistent/x.toml")
    );
}

#[test]
fn only_a_restart_applies_listeners() {
    let running = Config::default();
    let wanted = parse("[web]\ntelemetry_path = \"/m\"\n[detect]\nstall_after = \"6s\"\n").unwrap();
    assert_eq!(wanted.needs_restart(&running), ["web.telemetry_path"]);
}

#[test]
fn what_is_set_and_what_changes_is_told() {
    let usual = Config::default();
    assert!(usual.settings().is_empty());
    let first = parse("[web]\ntelemetry_path = \"/m\"\n[detect]\nstall_after = \"6s\"\n").unwrap();
    let set = ["web.telemetry_path = \"/m\"", "detect.stall_after = \"6s\""];
    assert_eq!(first.settings(), set);
    let second = parse("[detect]\nstall_after = \"7s\"\n").unwrap();
    let changed = ["detect.stall_after = \"7s\" (was \"6s\")"];
    assert_eq!(second.changes(&first), changed);
    assert!(second.changes(&second).is_empty());
}

/// However long two values are: where they differ, so does what is told.
#[test]
fn what_changes_in_a_long_value_is_told() {
    let ignoring = |last: &str| {
        let mut networks: Vec<_> = (0..99).map(|net| format!("\"10.{net}.0.0/16\"")).collect();
        networks[98] = format!("\"{last}\"");
        parse(&format!("[peers]\nignore = [{}]\n", networks.join(", "))).unwrap()
    };
    let (first, second) = (ignoring("192.0.2.0/24"), ignoring("198.51.100.0/24"));
    let moved = ["peers.ignore: + 198.51.100.0/24, - 192.0.2.0/24"];
    assert_eq!(second.changes(&first), moved);
    let all_new = &second.changes(&Config::default())[0];
    let (came, went) = ("+ 10.19.0.0/16, + 79 more, - ", ", - ::1/128");
    assert!(
        all_new.contains(came) && all_new.ends_with(went),
        "{all_new}"
    );

    let (told, other) = (first.settings().remove(0), second.settings().remove(0));
    let begin = "peers.ignore = [\"10.0.0.0/16\", ";
    assert!(
        told.starts_with(begin) && told.contains("… (99 in all, checksum "),
        "{told}"
    );
    assert!(told.len() < 290, "{told}");
    assert_ne!(told, other);
    assert_eq!(told, first.settings().remove(0));

    let of_file = |end: &str| {
        let path = format!("/{}/{end}", "long".repeat(99));
        parse(&format!("[peers]\nnetworks_file = \"{path}\"\n")).unwrap()
    };
    let change = of_file("one.mmdb").changes(&of_file("two.mmdb")).remove(0);
    assert!(
        change.contains("/one.mmdb\" (was …") && change.ends_with("/two.mmdb\")"),
        "{change}"
    );
}

#[test]
fn drop_ins_win_key_by_key_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("detector.toml");
    let flags = Overrides {
        telemetry_path: Some("/m".to_owned()),
        ..Overrides::default()
    };
    fs::write(
        &file,
        "[detect]\nstall_after = \"6s\"\nhoard_connections = 30\n",
    )
    .unwrap();
    let alone = Config::load(Some(&file), &flags).unwrap();
    assert_eq!(alone.detect.hoard_connections, 30);
    let drop_ins = folder.path().join("conf.d");
    fs::create_dir(&drop_ins).unwrap();
    let write = |name: &str, text: &str| fs::write(drop_ins.join(name), text).unwrap();
    write(
        "20-site.toml",
        "[detect]\nhoard_connections = 50\n[peers]\nexport = 10\n",
    );
    write("10-base.toml", "[detect]\nhoard_connections = 40\n");
    write("30-site.toml.dpkg-old", "no TOML");
    write(".30-site.toml", "no TOML");
    let loaded = Loaded::of(Some(&file), &flags).unwrap();
    assert_eq!(loaded.config.detect.hoard_connections, 50);
    assert_eq!(loaded.config.detect.stall_after.0, Duration::from_secs(6));
    let origin = |path: &str| {
        let mut keys = loaded.keys();
        keys.find(|(key, _)| key.path == path).unwrap().1.clone()
    };
    let of_file = |file: PathBuf, line| Origin::File { file, line };
    assert_eq!(origin("detect.stall_after"), of_file(file.clone(), 2));
    assert_eq!(
        origin("detect.hoard_connections"),
        of_file(drop_ins.join("20-site.toml"), 2)
    );
    assert_eq!(origin("web.telemetry_path"), Origin::Flag);
    assert_eq!(origin("budget.nice"), Origin::Default);

    // What is wrong is found in its file, whether by itself or with the others.
    write("25-wrong.toml", "[detect]\n\nhoard_connections = 0\n");
    let error = Config::load(Some(&file), &flags).unwrap_err().to_string();
    let expected = "conf.d/25-wrong.toml: line 3: detect.hoard_connections = 0 is outside";
    assert!(error.contains(expected), "{error}");
    write("25-wrong.toml", "[detect]\nhoard_connection = 1\n");
    let error = Config::load(Some(&file), &flags).unwrap_err().to_string();
    assert!(
        error.contains("conf.d/25-wrong.toml: line 2: unknown key"),
        "{error}"
    );
    write("25-wrong.toml", "[peers]\ncapacity = 16\nexport = 17\n");
    let error = Config::load(Some(&file), &flags).unwrap_err().to_string();
    assert!(
        error.contains("conf.d/25-wrong.toml: line 3: peers.export"),
        "{error}"
    );
}

proptest! {
    /// Whatever is in a file, the answer is a configuration or one line.
    #[test]
    fn no_text_is_too_odd(text in "(?s).{0,200}", key in 0..KEYS.len(), value in "[ -~]{0,40}") {
        let key = &KEYS[key];
        for text in [text, format!("[{}]\n{} = {value}\n", key.section, key.name)] {
            if let Err(error) = parse(&text) {
                prop_assert_eq!(error.lines().count(), 1, "{}", error);
            }
        }
    }
}
