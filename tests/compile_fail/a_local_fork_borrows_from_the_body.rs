//! What a fork of a local scope borrows lies outside, as for any fork.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::local_scope(async |s| {
        let local = std::rc::Rc::new(7);
        s.fork(async { println!("{local}") });
    })
    .await
    .unwrap();
}
