//! The embedded eBPF object: offsets in, loaded and attached programs out.

use super::btf_file::BTF_FILE;
use super::cast;
use super::failure::{StartError, refused_by_kernel};
use super::hooks::{HOOKS, ITERATOR, VICTIM_HOOK};
use super::types;
use aya::programs::{BtfTracePoint, Iter};
use aya::{Btf, Ebpf, EbpfLoader};
use detector_api::failure::Code;
use detector_common::layout::KernelLayout;
use detector_common::names;
use detector_common::settings::KernelSettings;

/// Built by `cargo xtask ebpf`; what made it is written beside it.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!("../../../detector-ebpf/prebuilt/detector-ebpf.o");

/// How the maps are sized and the programs set.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadOptions {
    pub(super) settings: KernelSettings,
    pub(super) ring_bytes: u32,
    pub(super) connections_capacity: u32,
    /// 0 lets the verifier drop every kernel-side log line.
    pub(super) log_level: u8,
}

/// What is loaded and attached.
pub(super) struct Loaded {
    pub(super) ebpf: Ebpf,
    /// Whether victims of the OOM killer are told.
    pub(super) has_victims: bool,
}

/// Loads and attaches all programs; without casts where the kernel refuses them.
pub(super) fn load(options: &LoadOptions) -> Result<Loaded, StartError> {
    match load_once(options, true) {
        Err(error) if error.code == Code::Failed => {
            tracing::warn!("{error}; trying again with a helper in place of casts");
            load_once(options, false)
        }
        outcome => outcome,
    }
}

fn load_once(options: &LoadOptions, may_cast: bool) -> Result<Loaded, StartError> {
    let (mut kernel_layout, types, mut loader) = read_kernel_types()?;
    let object = cast::prepare(OBJECT, &types, &mut kernel_layout, may_cast)
        .map_err(|error| refused_by_kernel("preparing the eBPF object", &error))?;
    let mut ebpf = loader
        .btf(Some(&types))
        .override_global(
            names::LAYOUT_GLOBAL,
            bytemuck::bytes_of(&kernel_layout),
            true,
        )
        .override_global(
            names::SETTINGS_GLOBAL,
            bytemuck::bytes_of(&options.settings),
            true,
        )
        .override_global(aya_log::LEVEL, &options.log_level, true)
        .map_max_entries(names::RECORDS_MAP, options.ring_bytes)
        .map_max_entries(names::CONNECTIONS_MAP, options.connections_capacity)
        .load(&object)
        .map_err(|error| refused_by_kernel("creating the eBPF maps", &error))?;
    load_sweep(&mut ebpf, &types)?;
    for (program, tracepoint) in HOOKS {
        load_hook(&mut ebpf, &types, program, tracepoint)?;
    }
    let (program, tracepoint) = VICTIM_HOOK;
    let victims = load_hook(&mut ebpf, &types, program, tracepoint).inspect_err(|error| {
        tracing::info!(
            "{error}; who is killed for want of memory is told by the kernel's log alone"
        );
    });
    Ok(Loaded {
        ebpf,
        has_victims: victims.is_ok(),
    })
}

/// Reads the kernel's types for the layout, for attaching and for the loader.
///
/// aya reads all of them twice: once here, and once in `EbpfLoader::new`, which cannot be told not
/// to. That is most of a start, so one reading goes on beside the other.
fn read_kernel_types<'a>() -> Result<(KernelLayout, Btf, EbpfLoader<'a>), StartError> {
    let (kernel_layout, loader, types) = std::thread::scope(|scope| {
        let types = scope.spawn(Btf::from_sys_fs);
        // A kernel that is not fit is refused for its true reason, so the layout comes first.
        let kernel_layout = types::layout();
        let loader = EbpfLoader::new();
        (kernel_layout, loader, types.join())
    });
    let types = types.map_err(|_panic| {
        StartError::failed(format!("reading {BTF_FILE}: the thread had panicked"))
    })?;
    let types = types.map_err(|error| StartError::failed(format!("reading {BTF_FILE}: {error}")));
    Ok((kernel_layout?, types?, loader))
}

fn load_hook(ebpf: &mut Ebpf, types: &Btf, name: &str, tracepoint: &str) -> Result<(), StartError> {
    let program: &mut BtfTracePoint = program_of(ebpf, name)?;
    program
        .load(tracepoint, types)
        .map_err(|error| refused_by_kernel(&format!("loading the program {name}"), &error))?;
    program.attach().map_err(|error| {
        refused_by_kernel(
            &format!("attaching {name} to the tracepoint {tracepoint}"),
            &error,
        )
    })?;
    Ok(())
}

fn load_sweep(ebpf: &mut Ebpf, types: &Btf) -> Result<(), StartError> {
    let program: &mut Iter = program_of(ebpf, names::SWEEP_PROGRAM)?;
    program.load(ITERATOR, types).map_err(|error| {
        refused_by_kernel(
            &format!("loading the program {}", names::SWEEP_PROGRAM),
            &error,
        )
    })
}

/// The program of that name and kind in the object.
pub(super) fn program_of<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, StartError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let program = ebpf
        .program_mut(name)
        .ok_or_else(|| StartError::failed(format!("the eBPF object has no program {name}")))?;
    program.try_into().map_err(|error| {
        StartError::failed(format!(
            "the program {name} of the eBPF object is of another kind: {error}"
        ))
    })
}
