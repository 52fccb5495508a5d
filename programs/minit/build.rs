//! How the program is linked: without a C library and its start files. Only the program: the library of this
//! package and its tests are ordinary.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=minit.ld");
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}/minit.ld", env!("CARGO_MANIFEST_DIR"));
    for argument in [
        "-nostartfiles",
        "-nodefaultlibs",
        "-static",
        // One segment less, and none that has to be written to after loading: each is a page fault.
        "-Wl,-z,norelro",
        "-Wl,-z,noseparate-code",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
        // What is the same code is there once.
        "-Wl,--icf=all",
        // The precompiled `core` and `alloc` refer to these where nothing has optimised that away. Nothing unwinds
        // here.
        "-Wl,--defsym=rust_eh_personality=0",
        "-Wl,--defsym=_Unwind_Resume=0",
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
