//! A cache of addresses that asks several sources at once: a small component as one may have it, and the
//! tests that umbel's kit makes possible. See `README.md` beside it.
//!
//! * [`Resolver`] keeps what it has learned, asks for each name once however many want it, and asks all
//!   sources in a race.
//! * [`Cell`] is what it keeps a name in: the place where callers meet, and so what there is to verify.
//! * [`sources`] are the system's resolver, a program, and a server.
//! * [`Mistake`] is what one might get wrong in it. The tests make each, and find it.

mod cell;
mod resolver;
pub mod sources;
mod sync;

pub use cell::{Cell, Mistake};
pub use resolver::{Answer, Failed, Resolver, Source};
