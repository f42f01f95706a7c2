//! Prints where the fields the agent reads lie in the kernels whose BTF files are given, or in
//! the running kernel: `cargo run -p detector-core --example btf_layout -- [FILE…]`.
#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::error::Error;
use std::time::Instant;

use detector_core::observe::btf::Btf;
use detector_core::observe::layout::survey;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        files.push("/sys/kernel/btf/vmlinux".to_owned());
    }
    for file in files {
        let bytes = std::fs::read(&file).map_err(|error| format!("read {file}: {error}"))?;
        let start = Instant::now();
        let btf = Btf::parse(&bytes)?;
        let parsed = start.elapsed();
        let found = survey(&btf);
        let surveyed = start.elapsed();
        println!(
            "{file}: {} types, parsed in {parsed:?}, with fields {surveyed:?}",
            btf.type_count()
        );
        for field in &found.fields {
            println!("  {field}");
        }
        match found.layout {
            Ok(layout) => {
                println!("  retransmit_has_err: {}", layout.retransmit_has_err);
                println!("  victim_is_task: {}", layout.victim_is_task);
            }
            Err(error) => println!("  {error}; hint: {}", error.hint()),
        }
    }
    Ok(())
}
