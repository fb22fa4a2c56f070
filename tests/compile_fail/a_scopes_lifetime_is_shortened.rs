//! `Scope<'env>` is invariant: with a shorter `'env` it would take forks that borrow for a shorter
//! time than the future that polls them believes.

fn shorten<'long: 'short, 'short>(scope: umbel::Scope<'long>) -> umbel::Scope<'short> {
    scope
}

fn main() {
    let _ = umbel::scope(async |s: umbel::Scope<'static>| drop(shorten(s)));
}
