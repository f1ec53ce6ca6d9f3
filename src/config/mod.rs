//! config.json as serde types that borrow the JSON buffer.

pub mod resources;
