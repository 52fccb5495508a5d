//! How the program is linked: without a C library and its start files. Only the program: the library of this
//! package and its tests are ordinary.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in [
        "-nostartfiles",
        "-nodefaultlibs",
        "-static",
        // One segment less, and none that has to be written to after loading: each is a page fault.
        "-Wl,-z,norelro",
        "-Wl,-z,noseparate-code",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
        // The precompiled `core` refers to it where nothing has optimised that away. Nothing unwinds here.
        "-Wl,--defsym=rust_eh_personality=0",
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
