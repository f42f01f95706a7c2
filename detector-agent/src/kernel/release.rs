//! Which kernel runs here.

/// The running kernel's release, for instance `6.1.0-28-amd64`.
pub fn kernel_release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}
