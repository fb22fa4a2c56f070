//! What was there before the scope's future was made can be borrowed; what is made inside, moved.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words = vec!["created", "outside"];
    umbel::scope(async |s| {
        s.fork(async { println!("{}", words.len()) });
        let moved = vec!["created", "inside"];
        s.fork(async move { println!("{}", moved.len()) });
    })
    .await
    .unwrap();
}
