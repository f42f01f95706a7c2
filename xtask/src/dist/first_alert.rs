//! The lines of the README from a package to the first alert, to be run as they stand there.

use anyhow::{Result, ensure};

use crate::marked::Part;

const LINES: Part = Part {
    page: "README.md",
    begin: "<!-- first alert: `cargo xtask dist --vm` runs these lines -->",
    end: "<!-- first alert end -->",
};

/// One command a line, of the package of this version.
pub(super) fn commands(version: &str) -> Result<String> {
    commands_of(&LINES.read()?, version)
}

fn commands_of(text: &str, version: &str) -> Result<String> {
    let package = format!("./detector_{version}_");
    ensure!(
        text.contains(&package),
        "the README does not install {package}…"
    );
    let mut commands = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let command = line.strip_prefix("    ");
        let Some(command) = command else {
            anyhow::bail!("no command among those that the README begins with: {line:?}");
        };
        commands += command;
        commands.push('\n');
    }
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_goes_from_a_package_to_an_alert() {
        let commands = commands(&crate::dist::version().unwrap()).unwrap();
        let programs: Vec<_> = commands
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(programs, ["apt", "systemctl", "cp", "systemctl"]);
    }

    #[test]
    fn an_old_version_or_prose_is_refused() {
        let text = "\n    apt install ./detector_1.0.0_amd64.deb\n";
        assert_eq!(
            commands_of(text, "1.0.0").unwrap(),
            "apt install ./detector_1.0.0_amd64.deb\n"
        );
        commands_of(text, "1.0.1").unwrap_err();
        commands_of(&format!("{text}Then wait.\n"), "1.0.0").unwrap_err();
    }
}
