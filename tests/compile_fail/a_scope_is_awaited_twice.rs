//! A scope is entered once: its future is consumed.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let work = umbel::scope(async |_| 1);
    let _ = work.await;
    let _ = work.await;
}
