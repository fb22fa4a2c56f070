//! What was there before the scope's future was made can be borrowed.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words = vec!["created", "outside"];
    umbel::try_scope(async |s| -> Result<(), umbel::Cancelled> {
        s.fork(async {
            println!("{}", words.len());
            Ok(())
        });
        Ok(())
    })
    .await
    .unwrap();
}
