//! A handle, or a spawner, may be kept for ever: neither can start a fork.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut stored = None;
    {
        let value = String::from("borrowed");
        umbel::scope(async |s| {
            s.fork(async { println!("{value}") });
            stored = Some(s.spawner());
        })
        .await
        .unwrap();
    }
    assert!(stored.unwrap().spawn(async {}).await.is_err());
}
