//! Leaves debug information out of the binary: RocksDB's alone is more than 400 MB. Symbols stay, for
//! backtraces.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-debug");
    }
}
