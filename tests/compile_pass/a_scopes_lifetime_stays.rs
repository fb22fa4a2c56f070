//! It can be handed on as it is.

fn hand_on<'env>(scope: umbel::Scope<'env>) -> umbel::Scope<'env> {
    scope
}

fn main() {
    let _ = umbel::scope(async |s: umbel::Scope<'_>| drop(hand_on(s)));
}
