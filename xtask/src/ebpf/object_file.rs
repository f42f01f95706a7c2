//! Takes the DWARF sections out of a linked eBPF object; `.BTF` and `.BTF.ext` stay.
//!
//! DWARF is where BTF comes from at link time; nobody reads it afterwards and it is most of the file.

use anyhow::{Context as _, Result, bail};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

/// The object without `.debug_*` sections, their relocations and their symbols.
pub(crate) fn without_debug_sections(linked: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(linked).context("not an ELF object")?;
    for section in &mut builder.sections {
        if is_debug(&section.name) {
            section.delete = true;
        }
    }
    // Relocations of a deleted section and symbols in it would point nowhere.
    builder.delete_orphans();
    for kept in [".BTF", ".BTF.ext"] {
        if !builder
            .sections
            .iter()
            .any(|section| section.name.as_slice() == kept.as_bytes())
        {
            bail!("it has no section {kept}: was it linked with --btf and debuginfo=2?");
        }
    }
    // LLVM keeps the names of sections and symbols in one table, this writer in two.
    if !builder
        .sections
        .iter()
        .any(|section| matches!(section.data, SectionData::SectionString))
    {
        let names = builder.sections.add();
        names.name = b".shstrtab"[..].into();
        names.sh_type = SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("cannot lay out the ELF object anew")?;
    Ok(stripped)
}

fn is_debug(name: &[u8]) -> bool {
    name.starts_with(b".debug_") || name.starts_with(b".rel.debug_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_refused() {
        without_debug_sections(b"").unwrap_err();
        without_debug_sections(&[0; 64]).unwrap_err();
    }

    #[test]
    fn only_debug_sections_go() {
        assert!(is_debug(b".debug_info") && is_debug(b".rel.debug_line"));
        for kept in [
            &b".BTF"[..],
            b".BTF.ext",
            b".rel.BTF",
            b".rel.BTF.ext",
            b"maps",
            b".rodata",
        ] {
            assert!(!is_debug(kept));
        }
    }
}
