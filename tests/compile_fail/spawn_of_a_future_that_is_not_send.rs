//! A spawned child may run on another thread.
use std::rc::Rc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::scope(async |s| {
        let shared = Rc::new(7);
        s.spawn(async move { println!("{shared}") });
    })
    .await
    .unwrap();
}
