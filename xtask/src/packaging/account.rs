//! The user that the agent runs as: scripts of the packages make one, and take or delete nobody else's. Played
//! with the programs that they call replaced, on accounts that are made up.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{folder, read};
use crate::background::Scratch;

/// Stands for the functions in the scripts of the packages.
const PLACE: &str = "@ACCOUNT@";
/// What stands in for the real programs: accounts are files, and what is done to them is written down.
const PROGRAMS: [(&str, &str); 4] = [
    ("getent", "grep -m1 \"^$2:\" \"$ACCOUNTS/$1\""),
    ("useradd", "echo \"useradd $*\" >>\"$ACCOUNTS/done\""),
    (
        "userdel",
        "echo \"userdel $*\" >>\"$ACCOUNTS/done\"; : >\"$ACCOUNTS/passwd\"",
    ),
    // As where it is the first group of somebody else.
    (
        "groupdel",
        "echo \"groupdel $*\" >>\"$ACCOUNTS/done\"; exit 8",
    ),
];

const OWN_USER: &str = "detector:x:997:995:TCP peer detector:/var/lib/detector:/usr/sbin/nologin\n";
const OWN_GROUP: &str = "detector:x:995:\n";

/// What is there before, and what comes of it.
struct Case {
    name: &'static str,
    passwd: &'static str,
    group: &'static str,
    /// What is made at an installation; `None` where that is refused.
    makes: Option<&'static str>,
    /// What a purge deletes.
    deletes: &'static str,
}

const MADE: &str = "--no-create-home --home-dir /var/lib/detector --shell /usr/sbin/nologin --comment TCP peer \
                    detector detector\n";

const CASES: [Case; 9] = [
    Case {
        name: "nobody",
        passwd: "root:x:0:0::/:/bin/sh\n",
        group: "detectors:x:995:\n",
        makes: Some("useradd --system --user-group "),
        deletes: "",
    },
    Case {
        name: "the package's",
        passwd: OWN_USER,
        group: OWN_GROUP,
        makes: Some(""),
        deletes: "userdel detector\ngroupdel detector\n",
    },
    Case {
        name: "the package's, and those who may look",
        passwd: OWN_USER,
        group: "detector:x:995:ann,bob\n",
        makes: Some(""),
        deletes: "userdel detector\ngroupdel detector\n",
    },
    Case {
        name: "a person",
        passwd: "detector:x:1000:1000::/srv/detector:/bin/bash\n",
        group: "detector:x:1000:\n",
        makes: None,
        deletes: "",
    },
    Case {
        name: "a login that has taken the folder",
        passwd: "detector:x:997:995::/var/lib/detector:/bin/sh\n",
        group: OWN_GROUP,
        makes: None,
        deletes: "",
    },
    Case {
        name: "another name of root",
        passwd: "detector:x:0:995::/var/lib/detector:/usr/sbin/nologin\n",
        group: OWN_GROUP,
        makes: None,
        deletes: "",
    },
    Case {
        name: "a user of another group",
        passwd: "detector:x:997:100::/var/lib/detector:/usr/sbin/nologin\n",
        group: "users:x:100:\n",
        makes: None,
        deletes: "",
    },
    Case {
        name: "a group of nobody",
        passwd: "",
        group: OWN_GROUP,
        makes: Some("useradd --system --gid detector "),
        deletes: "",
    },
    Case {
        name: "a group of others",
        passwd: "",
        group: "detector:x:995:ann\n",
        makes: None,
        deletes: "",
    },
];

/// The script with the functions in their place.
pub(crate) fn put_into(script: &str) -> Result<String> {
    let functions = read(&folder("account"))?;
    Ok(script.replace(PLACE, functions.trim_end()))
}

pub(super) fn check() -> Result<()> {
    let script = |name: &str| put_into(&read(&folder(name))?);
    let spec = script("rpm/detector.spec")?;
    let (_, before) = spec.split_once("\n%pre\n").context("no %pre")?;
    let (before, _) = before.split_once("\n%post\n").context("no %post")?;
    // A macro to rpmbuild.
    ensure!(!before.contains('%'), "a % in the functions: {before}");
    let preinst = script("deb/preinst")?;
    for case in &CASES {
        let about = |what: &str| format!("{what}, where there is {}", case.name);
        for (script, arguments, makes) in [
            (&preinst, ["install"], false),
            (&preinst, ["upgrade"], false),
            (&before.to_owned(), ["1"], true),
        ] {
            let (is_well, done, said) = play(case, script, &arguments)?;
            let made = case.makes.filter(|made| makes && !made.is_empty());
            let expected = made.map_or(String::new(), |made| format!("{made}{MADE}"));
            ensure!(is_well == case.makes.is_some(), about(&said));
            ensure!(done == expected, about(&done));
            let is_told = said.lines().count() == 1 && said.contains("then install again");
            ensure!(is_told != is_well, about(&said));
        }
        let purge = put_into(&format!("set -e\n{PLACE}\ndelete_account\n"))?;
        let (is_well, done, said) = play(case, &purge, &[])?;
        ensure!(
            is_well && done == case.deletes,
            about(&format!("{done}{said}"))
        );
        let is_kept = case.deletes.is_empty() && case.passwd.starts_with("detector:");
        ensure!(
            said.contains("user detector is left") == is_kept,
            about(&said)
        );
        let has_group = case.deletes.contains("groupdel");
        ensure!(
            said.contains("group detector is left") == has_group,
            about(&said)
        );
    }
    for (name, calls) in [
        ("deb/postinst", "refuse_other_account\nmake_account\n"),
        ("deb/postrm", "delete_account\n"),
    ] {
        let text = read(&folder(name))?;
        let (_, after) = text.split_once(PLACE).context(name)?;
        ensure!(after.contains(calls), "{name} does not call {calls}");
    }
    println!("accounts: {} cases", CASES.len());
    Ok(())
}

/// Runs a script on these accounts: whether it ended well, what it did to them, and what it said.
fn play(case: &Case, script: &str, arguments: &[&str]) -> Result<(bool, String, String)> {
    let scratch = Scratch::create("account")?;
    let at = |name: &str| scratch.path.join(name);
    for (name, body) in PROGRAMS {
        fs::write(at(name), format!("#!/bin/sh\n{body}\n"))?;
        fs::set_permissions(at(name), Permissions::from_mode(0o755))?;
    }
    for (name, text) in [("passwd", case.passwd), ("group", case.group), ("done", "")] {
        fs::write(at(name), text)?;
    }
    let output = Command::new("sh")
        .args(["-c", script, "script"])
        .args(arguments)
        .env("ACCOUNTS", &scratch.path)
        .env("PATH", path_before(&scratch.path))
        .output()
        .context("cannot start sh")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.success(), read(&at("done"))?, said))
}

/// The programs in the folder hide those of the host.
fn path_before(folder: &Path) -> String {
    format!("{}:/usr/bin:/bin", folder.display())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn the_packages_take_and_delete_nobody_elses_account() {
        check().unwrap();
    }
}
