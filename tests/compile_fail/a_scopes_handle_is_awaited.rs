//! What a body receives is a handle, and not a way to enter the scope once more.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::scope(async |s: umbel::Scope<'_>| {
        s.await;
    })
    .await
    .unwrap();
}
