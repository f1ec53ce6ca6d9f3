//! Seal check, dispatch, exit status.
#![forbid(unsafe_code)]
fn main() {}
