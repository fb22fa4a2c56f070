//! It can own, or the child can be forked.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words = vec!["outside"];
    let owned = words.clone();
    umbel::scope(async |s| {
        s.spawn(async move { println!("{}", owned.len()) });
        s.fork(async { println!("{}", words.len()) });
    })
    .await
    .unwrap();
}
