use super::keys::{KEYS, sections};
use super::{Config, Overrides};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(Config::parse(""), Ok(Config::default()));
    assert_eq!(Config::parse("[web]\n[detect]\n"), Ok(Config::default()));
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
    assert_eq!(Config::parse(&text), Ok(defaults), "{text}");
}

#[test]
fn values_are_taken() {
    let config = Config::parse(
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
            "line 2: `5 parsecs` is no duration such as 250ms, 5s, 10m, 2h or 7d",
        ),
        (
            "[detect]\nhoard_bytes = 5\n",
            "line 2: invalid type: integer `5`, expected a size such as \"256MiB\"",
        ),
        ("[detect\n", "line 1: "),
        (
            "[peers]\nipv6_prefix = 0\n",
            "peers.ipv6_prefix = 0 is outside 1 to 128",
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
        let error = Config::parse(text).expect_err(text);
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
    let wanted =
        Config::parse("[web]\ntelemetry_path = \"/m\"\n[detect]\nstall_after = \"6s\"\n").unwrap();
    assert_eq!(wanted.needs_restart(&running), ["web.telemetry_path"]);
}
