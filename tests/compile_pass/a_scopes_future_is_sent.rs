//! The future of a plain scope is `Send` when its body is.

fn main() {
    let work = umbel::scope(|_: umbel::Scope<'static>| async {});
    std::thread::spawn(move || drop(work)).join().unwrap();
}
