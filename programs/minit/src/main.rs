//! minit: the first process of a container or a small machine.
#![no_std]
#![no_main]

sys::start!(minit::run);

/// A defect of ours. As the first process it goes on as well as it can: its end would be everybody's.
#[panic_handler]
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    minit::survive(panic.location().map_or(("?", 0), |place| (place.file(), place.line())))
}
