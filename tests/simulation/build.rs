//! Exports the function that answers requests for random bytes: the crate `getrandom` looks it up by its name.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
}
