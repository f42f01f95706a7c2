//! A host that cannot run the agent is refused with exit code 3, a user who may not run it with
//! code 4, by `run` and by `check`, each with the true reason and what to do about it.

use crate::agent_start::{finish, with_own_places};
use crate::unprivileged::{nobody, program_for_all};
use anyhow::{Context, Result, ensure};
use detector_tests::agent::binary;
use detector_tests::lab::require;
use detector_tests::story::in_folder;
use std::fs;
use std::path::Path;
use std::process::Command;

const BTF_FOLDER: &str = "/sys/kernel/btf";
const SECURITY_FOLDER: &str = "/sys/kernel/security";

/// A host that lacks something: what one of its folders holds instead, and the words that tell.
struct Host {
    name: &'static str,
    folder: &'static str,
    file: Option<(&'static str, Vec<u8>)>,
    words: &'static [&'static str],
}

impl Host {
    fn with_btf(name: &'static str, bytes: Vec<u8>, words: &'static [&'static str]) -> Self {
        Self {
            name,
            folder: BTF_FOLDER,
            file: Some(("vmlinux", bytes)),
            words,
        }
    }
}

fn hosts() -> Result<Vec<Host>> {
    let noise = (0..4_096_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    Ok(vec![
        Host {
            name: "no-btf",
            folder: BTF_FOLDER,
            file: None,
            words: &[
                "/sys/kernel/btf/vmlinux: No such file",
                "CONFIG_DEBUG_INFO_BTF=y",
            ],
        },
        Host::with_btf(
            "empty-btf",
            vec![],
            &["/sys/kernel/btf/vmlinux: ", "uname -r"],
        ),
        Host::with_btf(
            "noise",
            noise.collect(),
            &["/sys/kernel/btf/vmlinux: ", "uname -r"],
        ),
        Host::with_btf(
            "no-field",
            btf_without("snd_una")?,
            &["tcp_sock.snd_una: ", "install a newer detector"],
        ),
        Host::with_btf(
            "no-hook",
            btf_without("btf_trace_tcp_probe")?,
            &["tracepoint tcp_probe: ", "CONFIG_BPF_EVENTS"],
        ),
        Host::with_btf(
            "no-iterator",
            btf_without("bpf_iter_tcp")?,
            &["iter/tcp: ", "CONFIG_PROC_FS"],
        ),
        Host::with_btf(
            "no-helper",
            btf_without("BPF_FUNC_skc_to_tcp_sock")?,
            &["BPF helper bpf_skc_to_tcp_sock: ", "backported"],
        ),
        Host {
            name: "lockdown",
            folder: SECURITY_FOLDER,
            file: Some(("lockdown", b"none integrity [confidentiality]\n".to_vec())),
            words: &["lockdown: confidentiality", "lockdown=integrity"],
        },
    ])
}

/// The types of this kernel with another name of the same length in place of `name`.
fn btf_without(name: &str) -> Result<Vec<u8>> {
    let mut bytes = fs::read(Path::new(BTF_FOLDER).join("vmlinux"))?;
    let wanted = format!("\0{name}\0");
    let places: Vec<usize> = (bytes.windows(wanted.len()).enumerate())
        .filter(|(_, window)| *window == wanted.as_bytes())
        .map(|(place, _)| place)
        .collect();
    ensure!(places.len() == 1, "{name} at {places:?}");
    bytes[places[0] + 1] = b'?';
    Ok(bytes)
}

#[test]
fn a_host_that_lacks_something_is_refused_with_code_3_and_what_it_lacks() -> Result<()> {
    in_folder("unfit-host", |folder| {
        require(&[("unshare", "util-linux"), ("mount", "mount")])?;
        let program = binary()?.display().to_string();
        // The mount is seen in this namespace alone, and ends with it.
        let mount = r#"mount --bind "$1" "$2" && shift 2 && exec "$@""#;
        for host in hosts()? {
            let stand_in = folder.join(host.name);
            fs::create_dir(&stand_in)?;
            if let Some((name, bytes)) = &host.file {
                fs::write(stand_in.join(name), bytes)?;
            }
            let stand_in = stand_in.display().to_string();
            let inside = ["unshare", "--mount", "sh", "-c", mount, "sh", &stand_in];
            let line = [&inside[..], &[host.folder, &program]].concat();
            expect_unfit(folder, &line, host.words).context(host.name)?;
        }
        Ok(())
    })
}

/// Kernels of distributions have more than their number says.
#[test]
fn a_kernel_is_judged_by_what_it_has_and_not_by_its_number() -> Result<()> {
    require(&[("setarch", "util-linux")])?;
    let program = binary()?;
    let checked = Command::new("setarch")
        .arg("--uname-2.6")
        .arg(program)
        .args(["check", "--json"])
        .output()?;
    let text = String::from_utf8_lossy(&checked.stdout);
    ensure!(checked.status.success(), "{checked:?}");
    ensure!(text.contains("\"2.6."), "another version: {text}");
    ensure!(text.contains("BPF ring buffers"), "{text}");
    Ok(())
}

/// `run` and `check` of the program that this line starts refuse alike.
fn expect_unfit(folder: &Path, line: &[&str], words: &[&str]) -> Result<()> {
    for verb in ["run", "check"] {
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).arg(verb);
        if verb == "run" {
            command = with_own_places(command, folder);
        }
        let refusal = finish(folder, command)?;
        refusal
            .expect(3, &[words, &["hint: "]].concat())
            .context(verb)?;
    }
    Ok(())
}

#[test]
fn an_ordinary_user_is_refused_with_code_4_and_the_capability() -> Result<()> {
    in_folder("ordinary-user", |folder| {
        require(&[("setpriv", "util-linux")])?;
        // With the places that a user has who names none.
        let mut command = nobody(&program_for_all(folder)?);
        command.arg("run");
        finish(folder, command)?.expect(4, &["CAP_BPF", "hint: run as root"])
    })
}

#[test]
fn a_missing_capability_is_named() -> Result<()> {
    in_folder("capabilities", |folder| {
        require(&[("setpriv", "util-linux")])?;
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-all", "--inh-caps=-all"])
            .arg(binary()?)
            .arg("run");
        finish(folder, with_own_places(command, folder))?.expect(4, &["CAP_", "hint:"])
    })
}
