//! Nor can it be made longer.

fn lengthen<'long: 'short, 'short>(scope: umbel::Scope<'short>) -> umbel::Scope<'long> {
    scope
}

fn main() {
    let _ = umbel::scope(async |s: umbel::Scope<'_>| drop(lengthen(s)));
}
