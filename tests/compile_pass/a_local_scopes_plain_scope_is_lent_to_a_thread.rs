//! Its plain scope may be lent.

fn main() {
    umbel::block_on(umbel::local_scope(async |s: umbel::LocalScope<'static>| {
        let s = s.scope();
        std::thread::scope(|threads| {
            threads.spawn(|| drop(s.fork(async {})));
        });
    }))
    .unwrap();
}
