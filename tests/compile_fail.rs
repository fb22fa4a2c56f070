//! Programs that must not compile, each with an accepted twin that differs in as little as possible:
//! a rejection counts only if the twin passes.
//!
//! The texts are the compiler's, so another version may word them differently; then look at them, and
//! write them anew with `TRYBUILD=overwrite`.

#[test]
fn rejected_programs_and_their_accepted_twins() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_pass/*.rs");
    cases.compile_fail("tests/compile_fail/*.rs");
}
