//! The `rr` program: everything is in the library; this is its exit status.
fn main() {
    std::process::exit(rr::cli::main());
}
