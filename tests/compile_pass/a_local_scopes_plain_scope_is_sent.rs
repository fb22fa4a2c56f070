//! Through its plain scope other threads start children that are `Send`.

fn main() {
    umbel::block_on(umbel::local_scope(async |s: umbel::LocalScope<'static>| {
        let s = s.scope().clone();
        std::thread::spawn(move || drop(s.fork(async {}))).join().unwrap();
    }))
    .unwrap();
}
