//! All checks, in SECURITY.md's order.

use crate::check::Check;
use crate::{devices, exec, files, kernel, process, races};

pub fn all() -> Vec<Check> {
    [exec::CHECKS, files::CHECKS, process::CHECKS, devices::CHECKS, kernel::CHECKS, races::CHECKS].concat()
}
