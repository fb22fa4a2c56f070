//! As often as one likes, each time anew.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let work = || umbel::scope(async |_| 1);
    let _ = work().await;
    let _ = work().await;
}
