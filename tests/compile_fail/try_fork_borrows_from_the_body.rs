//! A fork lives as long as the scope's future believes, and what the body creates does not.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::try_scope(async |s| -> Result<(), umbel::Cancelled> {
        let words = vec!["created", "inside"];
        s.fork(async {
            println!("{}", words.len());
            Ok(())
        });
        Ok(())
    })
    .await
    .unwrap();
}
