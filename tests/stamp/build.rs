//! Linked as minit is: see programs/minit/build.rs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in ["-nostartfiles", "-nodefaultlibs", "-static", "-Wl,--defsym=rust_eh_personality=0"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
