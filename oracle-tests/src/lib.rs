//! A second opinion on umbel. The same scripts are run by the library and by a naive model of its rules,
//! and after every step the two must agree on all that can be seen.
#![expect(missing_docs, reason = "for the tests of one repository")]

pub mod bytes;
pub mod check;
pub mod clock;
pub mod coverage;
pub mod generate;
pub mod ledger;
pub mod machine;
pub mod oracle;
pub mod script;
pub mod view;
