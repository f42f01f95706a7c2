//! What the kernel must say of its own types: each field, each feature of BPF, each
//! tracepoint and the iterator.
//!
//! In: the kernel's BTF. Out: requirements, and the layout if none of them is missing, so that a
//! start is refused for exactly what `detector check` shows.

use super::btf_file::{BTF_FILE, unreadable};
use super::failure::StartError;
use super::features;
use super::hooks::{HOOKS, ITERATOR, VICTIM_HOOK};
use super::memlock;
use super::release::kernel_release;
use super::requirement::{Requirement, State};
use detector_common::layout::{BitField, KernelLayout};
use detector_core::observe::btf::Btf;
use detector_core::observe::layout::{self, FieldPlace, FieldReport, Need};
use std::fs;

/// BTF, each field, each tracepoint and the iterator.
pub(super) fn requirements() -> Vec<Requirement> {
    match read() {
        Ok((requirements, _)) => requirements,
        Err(missing) => vec![missing],
    }
}

/// The layout of the running kernel.
pub(super) fn layout() -> Result<KernelLayout, StartError> {
    let (requirements, layout) = read()?;
    layout.ok_or_else(|| refusal(&kernel_release(), &requirements))
}

fn read() -> Result<(Vec<Requirement>, Option<KernelLayout>), Requirement> {
    let bytes = fs::read(BTF_FILE).map_err(|error| unreadable(&error))?;
    let types = Btf::parse(&bytes).map_err(|error| {
        Requirement::missing(
            "btf",
            format!("{BTF_FILE}: {error}"),
            "report this message together with `uname -r`",
        )
    })?;
    Ok(survey(&types))
}

/// All requirements, and the layout if none is missing.
fn survey(types: &Btf<'_>) -> (Vec<Requirement>, Option<KernelLayout>) {
    let size = format!("{BTF_FILE}: {} types", types.type_count());
    let found = layout::survey(types);
    let mut requirements = vec![Requirement::ok("btf", size)];
    requirements.extend(found.fields.iter().map(field));
    requirements.extend(features::requirements(types));
    requirements.extend(HOOKS.iter().map(|(_, tracepoint)| hook(types, tracepoint)));
    requirements.push(iterator(types));
    requirements.push(victim_hook(types));
    requirements.push(memlock::requirement(types));
    let is_complete = missing(&requirements).next().is_none();
    let layout = match found.layout {
        Ok(layout) => is_complete.then_some(layout),
        Err(error) => {
            if is_complete {
                let (detail, hint) = (error.to_string(), error.hint());
                requirements.push(Requirement::missing("layout", detail, hint));
            }
            None
        }
    };
    (requirements, layout)
}

fn missing(requirements: &[Requirement]) -> impl Iterator<Item = &Requirement> {
    requirements
        .iter()
        .filter(|requirement| requirement.state == State::Missing)
}

/// Why a kernel without these is refused: each by its name, and what to do about the first.
fn refusal(release: &str, requirements: &[Requirement]) -> StartError {
    let reasons: Vec<_> = missing(requirements)
        .map(|missing| format!("{}: {}", missing.name, missing.detail))
        .collect();
    let hint = missing(requirements).find_map(|missing| missing.hint.clone());
    StartError::unsupported(
        format!("kernel {release}, {BTF_FILE}: {}", reasons.join("; ")),
        hint,
    )
}

fn field(report: &FieldReport) -> Requirement {
    let optional = match report.need {
        Need::Required => "",
        Need::Optional | Need::Variant => " (optional)",
    };
    let name = format!("field {}.{}{optional}", report.structure, report.path);
    match &report.outcome {
        Ok(place) => Requirement::ok(name, place_text(*place)),
        // An older kernel's form of a test, not a lack.
        Err(error) if report.need == Need::Variant => Requirement::ok(name, error.to_string()),
        Err(error) => {
            let hint = "this kernel's TCP structures are laid out in a way this release does not \
                        know: install a newer detector";
            if report.is_fatal() {
                Requirement::missing(name, error.to_string(), hint)
            } else {
                Requirement::degraded(name, error.to_string(), without(report))
            }
        }
    }
}

fn place_text(place: FieldPlace) -> String {
    match place {
        FieldPlace::Byte(offset) => format!("at byte {offset}"),
        FieldPlace::Present => "present".to_owned(),
        FieldPlace::Bits(BitField {
            offset,
            shift,
            mask,
        }) => {
            let bits = mask.count_ones();
            format!("at byte {offset}, {bits} bits from bit {shift}")
        }
    }
}

/// What the agent goes without when an optional field is not there.
fn without(report: &FieldReport) -> &'static str {
    match report.structure {
        "sock_common" => "connections over IPv6 are left out",
        "socket_alloc" => "the processes behind sockets are not named",
        _ => "what needs it is left out",
    }
}

fn hook(types: &Btf<'_>, tracepoint: &str) -> Requirement {
    let name = format!("tracepoint {tracepoint}");
    match types.tracepoint_arguments(tracepoint) {
        Ok(Some(_)) => Requirement::ok(name, "present"),
        Ok(None) => Requirement::missing(
            name,
            "the kernel does not have it",
            "run a kernel with CONFIG_INET and CONFIG_BPF_EVENTS",
        ),
        Err(error) => Requirement::missing(name, error.to_string(), "report this message"),
    }
}

/// The agent can do without it.
fn victim_hook(types: &Btf<'_>) -> Requirement {
    let (_, tracepoint) = VICTIM_HOOK;
    let name = format!("tracepoint {tracepoint} (optional)");
    match types.tracepoint_arguments(tracepoint) {
        Ok(Some(_)) => Requirement::ok(name, "present: victims of the OOM killer are told at once"),
        Ok(None) | Err(_) => Requirement::degraded(
            name,
            "the kernel does not have it: victims of the OOM killer are told by its log alone",
            "nothing, where the kernel's log can be read; else use a kernel that has it",
        ),
    }
}

fn iterator(types: &Btf<'_>) -> Requirement {
    let name = format!("iter/{ITERATOR}");
    if types.has_iterator(ITERATOR) {
        Requirement::ok(name, "present")
    } else {
        Requirement::missing(
            name,
            "the kernel does not have it",
            "run a kernel with CONFIG_INET, CONFIG_BPF_SYSCALL and CONFIG_PROC_FS",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use detector_api::failure::Code;
    use detector_core::observe::btf::write::BtfWriter;

    #[test]
    fn places_are_put_in_words() {
        assert_eq!(place_text(FieldPlace::Byte(1_436)), "at byte 1436");
        let bits = BitField {
            offset: 1_731,
            shift: 4,
            mask: 0xf,
        };
        assert_eq!(
            place_text(FieldPlace::Bits(bits)),
            "at byte 1731, 4 bits from bit 4"
        );
    }

    #[test]
    fn a_refusal_names_kernel_file_and_all_that_is_missing() {
        let requirements = [
            Requirement::ok("btf", "there"),
            Requirement::missing("tracepoint tcp_probe", "absent", "run another kernel"),
            Requirement::missing("iter/tcp", "absent", "and yet another"),
        ];
        let error = refusal("6.1.0", &requirements);
        assert_eq!(error.code, Code::Unsupported);
        assert_eq!(
            error.to_string(),
            "kernel 6.1.0, /sys/kernel/btf/vmlinux: tracepoint tcp_probe: absent; iter/tcp: absent"
        );
        assert_eq!(error.hint.as_deref(), Some("run another kernel"));
    }

    #[test]
    fn without_types_everything_required_is_missing_and_there_is_no_layout() {
        let bytes = BtfWriter::new().finish();
        let (requirements, layout) = survey(&Btf::parse(&bytes).unwrap());
        assert_eq!(layout, None);
        for name in ["field tcp_sock.snd_una", "tracepoint tcp_probe", "iter/tcp"] {
            assert!(missing(&requirements).any(|missing| missing.name == name));
        }
        let mut optional = requirements.iter();
        let victims = optional.find(|each| each.name == "tracepoint mark_victim (optional)");
        assert_eq!(victims.map(|found| found.state), Some(State::Degraded));
    }
}
