//! It may point at what was there before.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let outside = String::from("outside");
    let reference = &outside;
    let child = umbel::scope(async |s| s.fork(async move { reference })).await.unwrap();
    println!("{}", child.await.unwrap());
}
