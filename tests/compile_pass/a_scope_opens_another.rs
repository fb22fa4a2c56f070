//! Another scope inside is opened with `scope`.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    umbel::scope(async |_: umbel::Scope<'_>| {
        umbel::scope(async |_: umbel::Scope<'_>| {}).await.unwrap();
    })
    .await
    .unwrap();
}
