//! For threads that Landlock does not bind: they look at processes of others, and have no reason to change
//! anything that has a path. As root they could write into the memory of a process, or name the program
//! that the kernel starts when one dumps core.

use super::syscalls::{IOCTLS_IN_USE, none_of, program, when};
use seccompiler::{BackendError, BpfProgram, SeccompCmpOp, SeccompRule};
use std::collections::BTreeMap;

/// Those that change something, with a path or what was opened to be read.
const FORBIDDEN: &[libc::c_long] = &[
    libc::SYS_openat2,
    libc::SYS_truncate,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    // `fchmodat2`, `setxattrat`, `removexattrat` and `file_setattr`, for which `libc` has no name everywhere:
    // new calls have one number on all architectures.
    452,
    463,
    466,
    469,
];

/// Older calls that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_OLD: &[libc::c_long] = &[
    libc::SYS_creat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_unlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
/// `renameat`, for which `libc` has no name here.
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_OLD: &[libc::c_long] = &[38];

/// Makes this thread, and those that it starts, one that changes no files.
pub(super) fn stay() -> Result<(), String> {
    let filter = filter()?;
    seccompiler::apply_filter(&filter).map_err(|error| error.to_string())
}

fn filter() -> Result<BpfProgram, String> {
    let all = FORBIDDEN.iter().chain(FORBIDDEN_OLD);
    let mut rules: BTreeMap<_, _> = all.map(|call| (*call, Vec::new())).collect();
    let mut opening = |call, flags| -> Result<(), BackendError> {
        rules.insert(call, to_write(flags)?);
        Ok(())
    };
    opening(libc::SYS_openat, 2).map_err(|error| error.to_string())?;
    #[cfg(target_arch = "x86_64")]
    opening(libc::SYS_open, 1).map_err(|error| error.to_string())?;
    // Attributes, and more, of a file that was opened to be read.
    let others = none_of(1, &IOCTLS_IN_USE).map_err(|error| error.to_string())?;
    rules.insert(libc::SYS_ioctl, others);
    program(rules)
}

/// Holds where the flags of opening, this argument, say that something is to be written or made.
fn to_write(flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let bits = |bits: libc::c_int| u64::from(bits.unsigned_abs());
    let access = bits(libc::O_ACCMODE);
    // The last one means both to the kernel.
    let ways = [bits(libc::O_WRONLY), bits(libc::O_RDWR), access];
    let ways = ways.map(|way| (access, way));
    let made = [libc::O_CREAT, libc::O_TRUNC].map(|flag| (bits(flag), bits(flag)));
    let all = ways.into_iter().chain(made);
    all.map(|(mask, value)| when(flags, SeccompCmpOp::MaskedEq(mask), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::stay;
    use rustix::fs::IFlags;
    use rustix::io::Errno;
    use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    /// In a thread of its own, for it is for good.
    #[test]
    fn who_is_outside_changes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), "text").unwrap();
        let (old, new) = (at("old"), at("new"));
        let look = move || {
            stay().unwrap();
            assert_eq!(fs::read_to_string(&old).unwrap(), "text");
            fs::read_dir("/proc/self").unwrap().next().unwrap().unwrap();
            let refused = |what: &str, outcome: io::Result<()>| {
                assert_eq!(
                    outcome.unwrap_err().kind(),
                    io::ErrorKind::PermissionDenied,
                    "{what}"
                );
            };
            let opened = |options: &mut OpenOptions, path: &Path| options.open(path).map(drop);
            refused("write", opened(File::options().write(true), &old));
            refused("append", opened(File::options().append(true), &old));
            refused("both", opened(File::options().read(true).write(true), &old));
            refused("make", File::create(&new).map(drop));
            let memory = Path::new("/proc/self/mem");
            refused("memory", opened(File::options().write(true), memory));
            refused("rename", fs::rename(&old, &new));
            refused("link", fs::hard_link(&old, &new));
            refused("symlink", symlink(&old, &new));
            refused("remove", fs::remove_file(&old));
            refused("folder", fs::create_dir(&new));
            let all = Permissions::from_mode(0o777);
            refused("mode", fs::set_permissions(&old, all.clone()));
            let file = File::open(&old).unwrap();
            refused("its mode", file.set_permissions(all));
            refused("its times", file.set_times(FileTimes::new()));
            let flags = rustix::fs::ioctl_getflags(&file).unwrap_or(IFlags::empty());
            let flags = rustix::fs::ioctl_setflags(&file, flags);
            assert_eq!(flags, Err(Errno::PERM), "its flags");
            // Nor do those that it starts.
            let another = std::thread::spawn(move || File::create(&new).map(drop));
            refused("another", another.join().unwrap());
        };
        std::thread::spawn(look).join().unwrap();
        File::create(at("new")).unwrap();
    }
}
