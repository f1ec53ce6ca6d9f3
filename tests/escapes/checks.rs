//! All checks, in SECURITY.md's order.

use crate::check::Check;
use crate::{devices, exec, files, kernel, neighbours, process, races};

pub fn all() -> Vec<Check> {
    [
        exec::CHECKS,
        files::CHECKS,
        process::CHECKS,
        devices::CHECKS,
        kernel::CHECKS,
        neighbours::CHECKS,
        races::CHECKS,
    ]
    .concat()
}
