//! A spawned child outlives a scope that is dropped or forgotten, so it cannot borrow.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words = vec!["outside"];
    umbel::scope(async |s| {
        s.spawn(async { println!("{}", words.len()) });
    })
    .await
    .unwrap();
}
