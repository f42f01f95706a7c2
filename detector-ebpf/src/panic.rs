//! A panic must fail verification, not become undefined behaviour.

/// Loops for ever, which the verifier refuses: no program that can panic is ever loaded.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[allow(
        clippy::empty_loop,
        reason = "the verifier must meet an endless loop here"
    )]
    loop {}
}

/// The licence the kernel checks before it lends out GPL-only helpers.
// SAFETY: the section and symbol name are the loader's convention; nothing else defines them.
#[unsafe(link_section = "license")]
// SAFETY: as above.
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
