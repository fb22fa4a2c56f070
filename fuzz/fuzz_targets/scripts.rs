//! Every byte string is a script. The library and the model of its rules see the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oracle_tests::bytes::script;
use oracle_tests::check::compare;

fuzz_target!(|bytes: &[u8]| {
    if let Err(mismatch) = compare(&script(bytes)) {
        panic!("{mismatch}");
    }
});
