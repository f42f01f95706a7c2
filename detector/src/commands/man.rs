//! `detector man`: the manual page, all commands in one.

use crate::cli::Cli;
use clap::CommandFactory;
use detector_api::failure::Failure;
use std::io;

pub(super) fn run() -> Result<(), Failure> {
    let mut page = Vec::new();
    write(&mut page)?;
    super::print(&String::from_utf8_lossy(&page))
}

fn write(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let man = clap_mangen::Man::new(command.clone()).section("8");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_subcommands_section(page)?;
    let shown = |command: &&clap::Command| !command.is_hide_set() && command.get_name() != "help";
    for subcommand in command.get_subcommands().filter(shown) {
        let man = clap_mangen::Man::new(subcommand.clone());
        let name = subcommand.get_name().to_uppercase();
        page.extend_from_slice(format!(".SH \"DETECTOR {name}\"\n").as_bytes());
        man.render_description_section(page)?;
        man.render_options_section(page)?;
    }
    man.render_version_section(page)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_has_every_command() {
        let mut page = Vec::new();
        super::write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for name in [
            "RUN",
            "CHECK",
            "PEERS",
            "CONNECTIONS",
            "EVENTS",
            "COMPLETIONS",
            "MAN",
        ] {
            assert!(page.contains(&format!(".SH \"DETECTOR {name}\"")), "{name}");
        }
        assert!(page.contains("listen\\-address"));
        assert!(!page.contains("DETECTOR DOCS"));
    }
}
