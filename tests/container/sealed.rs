//! Nothing is allocated between clone and exec. In a build with the feature `seal-allocator` an allocation there ends the process; that
//! every other test passes in such a build too is what shows it (`cargo verify`). Here, that it would be seen.

use crate::context;
use crate::harness::json;

#[test]
fn an_allocation_between_clone_and_exec_ends_the_process() {
    let context = context!();
    let mut bundle = context.bundle(&["true"]);
    context.run(&bundle).ok();
    bundle.set("/process/args", json!(["/allocate-after-clone"]));
    let output = context.run(&bundle);
    assert_eq!(output.code, 121, "{}", output.describe());
    assert!(output.stderr.contains("allocation after seal"), "{}", output.describe());
}
