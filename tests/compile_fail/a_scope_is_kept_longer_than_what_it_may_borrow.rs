//! A `Scope<'env>` that is stored outside may start forks that borrow for `'env`, so `'env` has to be
//! there as long as it is.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut stored = None;
    {
        let value = String::from("borrowed");
        umbel::scope(async |s| {
            s.fork(async { println!("{value}") });
            stored = Some(s.clone());
        })
        .await
        .unwrap();
    }
    stored.unwrap().fork(async {});
}
