//! Why there is no lab.

use std::fmt;
use std::io;

/// Why a lab could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// This machine, or this user, cannot have one.
    Missing(&'static str),
    /// It should have worked, and did not.
    Failed(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "skipped: {what}"),
            Self::Failed(what) => write!(f, "failed: {what}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
