//! What is not `Send` is awaited in the body, concurrently if need be.
use std::rc::Rc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let shared = Rc::new(7);
    umbel::scope(async |s| {
        let in_body = Rc::clone(&shared);
        let child = s.fork(async { 1 });
        let _ = tokio::join!(async move { println!("{in_body}") }, child);
    })
    .await
    .unwrap();
}
