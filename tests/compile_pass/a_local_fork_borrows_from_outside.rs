//! From outside it may borrow what is not `Sync`.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let local = std::rc::Rc::new(7);
    umbel::local_scope(async |s| {
        s.fork(async { println!("{local}") });
    })
    .await
    .unwrap();
}
