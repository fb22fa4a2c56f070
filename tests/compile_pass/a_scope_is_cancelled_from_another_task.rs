//! What another task gets is a handle.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (work, handle) = umbel::scope(async |_| std::future::pending::<()>().await).with_handle();
    tokio::spawn(async move { handle.cancel() });
    assert!(work.await.is_err());
}
