//! The future of a local scope polls forks that are not `Send`, whatever its body is.

fn main() {
    let work = umbel::local_scope(|_: umbel::LocalScope<'static>| async {});
    std::thread::spawn(move || drop(work)).join().unwrap();
}
