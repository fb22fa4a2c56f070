//! A fork of a local scope is made on the thread that will poll it.

fn main() {
    umbel::block_on(umbel::local_scope(async |s: umbel::LocalScope<'static>| {
        std::thread::spawn(move || drop(s.fork(async {}))).join().unwrap();
    }))
    .unwrap();
}
