//! A fork lives as long as the scope's future believes, and what the body creates does not.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::scope(async |s| {
        let words = vec!["created", "inside"];
        s.fork(async { println!("{}", words.len()) });
    })
    .await
    .unwrap();
}
