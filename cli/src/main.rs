//! The program `nexus`. All of it is in the library, since a fuzz target (tests/fuzz) can be linked with a library
//! only.

fn main() -> std::process::ExitCode {
    nexus_cli::main()
}
