//! With `Arc` it may.
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::scope(async |s| {
        let shared = Arc::new(7);
        s.spawn(async move { println!("{shared}") });
    })
    .await
    .unwrap();
}
