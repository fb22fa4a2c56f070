//! A local scope is not `Sync` either: a thread that borrows it could fork from there.

fn main() {
    umbel::block_on(umbel::local_scope(async |s: umbel::LocalScope<'static>| {
        std::thread::scope(|threads| {
            threads.spawn(|| drop(s.fork(async {})));
        });
    }))
    .unwrap();
}
