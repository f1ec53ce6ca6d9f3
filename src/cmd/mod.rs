//! One file a command. Each takes its arguments and the global flags, decides, and calls down.

pub mod version;
