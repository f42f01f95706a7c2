//! The metrics over TLS and with a password: who has neither the right certificate authority nor the
//! password gets nothing, a new certificate is taken up by itself, one that has expired is told, and
//! plain text beyond loopback is refused where that is asked for.

use crate::agent_start::finish;
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::expect;
use detector_tests::story::in_folder;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CERTIFICATE: &str = include_str!("../fixtures/web.crt");
const EXPIRED: &str = include_str!("../fixtures/web-expired.crt");
/// Of both, for this story alone.
const KEY: &str = include_str!("../fixtures/web.key");
/// Of `right`; costs next to nothing.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";

/// The file, and what it names beside it.
fn write(folder: &Path, certificate: &str) -> Result<String> {
    fs::write(folder.join("web.crt"), certificate)?;
    fs::write(folder.join("web.key"), KEY)?;
    let file = folder.join("web.yml");
    let text = format!(
        "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n  min_version: TLS13\n\
         basic_auth_users:\n  ann: {HASH}\n"
    );
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}

fn curl(agent: &Agent, arguments: &[&str]) -> Result<Output> {
    let url = format!("https://{}/metrics", agent.web());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert"]);
    curl.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/web.crt"));
    curl.args(arguments).arg(url).output().context("run curl")
}

#[test]
fn metrics_are_for_those_with_the_password() -> Result<()> {
    in_folder("web-access", |folder| {
        let file = write(folder, CERTIFICATE)?;
        let text = format!("[web]\nconfig_file = \"{file}\"\ntls_required = true\n");
        let agent = Agent::start_with(folder, &AgentOptions::with(&text))?;
        ensure!(
            agent.log()?.contains("metrics on https://"),
            "{}",
            agent.log()?
        );
        let page = curl(&agent, &["--user", "ann:right"])?;
        let text = String::from_utf8_lossy(&page.stdout);
        ensure!(text.contains("detector_build_info{"), "{page:?}");
        for arguments in [&[][..], &["--user", "ann:wrong"], &["--user", "bob:right"]] {
            let refused = curl(&agent, arguments)?;
            ensure!(
                refused.stdout == b"unauthorized\n",
                "{arguments:?}: {refused:?}"
            );
        }
        let old = curl(&agent, &["--user", "ann:right", "--tls-max", "1.2"])?;
        ensure!(!old.status.success(), "TLS 1.2 was not offered: {old:?}");
        ensure!(
            agent.web_request("GET", "/metrics").is_err(),
            "answered in plain text"
        );

        // Taken up within a second of the next connection, and told.
        write(folder, EXPIRED)?;
        expect::until("the new certificate is served", PATIENCE, || {
            let refused = curl(&agent, &["--user", "ann:right"])?;
            // It does not verify.
            Ok((refused.status.code() == Some(60)).then_some(()))
        })?;
        expect::until("what has expired is told", PATIENCE, || {
            Ok(agent
                .log()?
                .contains("web.crt expired on 2020-02-01")
                .then_some(()))
        })?;
        // What makes no sense is not.
        fs::write(folder.join("web.crt"), "no certificate")?;
        expect::until("what is wrong is told", PATIENCE, || {
            curl(&agent, &[])?;
            Ok(agent
                .log()?
                .contains("web configuration not read again")
                .then_some(()))
        })
    })
}

#[test]
fn plain_text_beyond_loopback_is_refused_where_that_is_asked_for() -> Result<()> {
    in_folder("tls-required", |folder| {
        let file = folder.join("detector.toml");
        fs::write(
            &file,
            "[web]\nlisten_addresses = [\"0.0.0.0:0\"]\ntls_required = true\n",
        )?;
        let mut run = command(&["run", "--check-config", "--config"])?;
        run.arg(&file);
        finish(folder, run)?.expect(
            2,
            &["0.0.0.0:0 would serve metrics in plain text", "hint: "],
        )?;
        let unsupported = folder.join("web.yml");
        fs::write(&unsupported, "rate_limit:\n  burst: 1\n")?;
        let mut run = command(&["run", "--check-config", "--web.config.file"])?;
        run.arg(&unsupported);
        finish(folder, run)?.expect(2, &["web.yml: unknown field `rate_limit`", "hint: "])
    })
}
