//! The guide and the reference pages, as they stand in `docs/` of the repository.

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

// Its examples need the feature; the page does not.
#[cfg(any(feature = "testing", not(doctest)))]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

// As with that one.
#[cfg(any(feature = "net", not(doctest)))]
#[doc = include_str!("../docs/connecting.md")]
pub mod connecting {}

#[doc = include_str!("../docs/rules.md")]
pub mod rules {}

#[doc = include_str!("../docs/behaviours.md")]
pub mod behaviours {}

#[doc = include_str!("../docs/tree.md")]
pub mod tree {}

#[doc = include_str!("../docs/rationale.md")]
pub mod rationale {}

#[doc = include_str!("../docs/limits.md")]
pub mod limits {}

#[doc = include_str!("../docs/verification.md")]
pub mod verification {}
