//! Writes every target's seeds into its corpus, for coverage-guided runs to start from.
#![allow(clippy::print_stdout, reason = "the folders written are its answer")]

use std::fs;
use std::io;

use detector_fuzz::TARGETS;

fn main() -> io::Result<()> {
    for target in TARGETS {
        let corpus = target.corpus();
        fs::create_dir_all(&corpus)?;
        for (index, seed) in (target.seeds)().iter().enumerate() {
            fs::write(corpus.join(format!("seed-{index}")), seed)?;
        }
        println!("{}", corpus.display());
    }
    Ok(())
}
