//! Machines of the matrix: what differs between their processors.

use super::Kernel;

/// A processor that is emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    /// x86-64
    Amd64,
    /// 64-bit Arm
    Arm64,
}

impl Architecture {
    /// What Debian calls it.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    pub(super) const fn emulator(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// Arguments of the emulator.
    pub(super) const fn machine(self) -> &'static [&'static str] {
        match self {
            // Hardware acceleration is not to be had everywhere; emulation is the same everywhere.
            Self::Amd64 => &["-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2"],
            Self::Arm64 => &[
                "-M", "virt", "-accel", "tcg", "-cpu", "max", "-m", "1500", "-smp", "2",
            ],
        }
    }

    /// The kernel's command line.
    pub(super) const fn command_line(self) -> &'static str {
        match self {
            // On a busy host an emulated timer comes too late for the kernel's check of it at boot.
            Self::Amd64 => "console=ttyS0 quiet panic=-1 oops=panic no_timer_check",
            Self::Arm64 => "console=ttyAMA0 quiet panic=-1 oops=panic",
        }
    }

    /// Programs the matrix uses, and the Debian packages that bring them.
    pub(super) const fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Amd64 => &super::PROGRAMS,
            Self::Arm64 => &[
                ("qemu-system-aarch64", "qemu-system-arm"),
                ("dpkg", "dpkg"),
                ("apt-get", "apt"),
                ("readelf", "binutils"),
                ("aarch64-linux-gnu-strip", "binutils-aarch64-linux-gnu"),
                ("xz", "xz-utils"),
                ("zstd", "zstd"),
            ],
        }
    }

    pub(super) const fn strip(self) -> &'static str {
        match self {
            Self::Amd64 => "strip",
            Self::Arm64 => "aarch64-linux-gnu-strip",
        }
    }

    /// Its kernels.
    pub(super) const fn matrix(self) -> &'static [Kernel] {
        match self {
            Self::Amd64 => &super::MATRIX,
            Self::Arm64 => &[
                Kernel {
                    name: "6.1",
                    patterns: &["linux-image-6.1.*-cloud-arm64"],
                },
                Kernel {
                    name: "6.12",
                    patterns: &["linux-image-6.12.*-cloud-arm64"],
                },
            ],
        }
    }
}
