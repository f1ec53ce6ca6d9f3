//! The build-host tool behind the cargo aliases. Never part of the runtime binary.
fn main() {}
