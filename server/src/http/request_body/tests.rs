use axum::http::StatusCode;

use super::*;

fn used(budget: &BodyBudget) -> (usize, usize) {
    let used = budget.used.lock();
    (used.all, used.by_key.len())
}

#[test]
fn a_key_has_its_share_and_all_keys_have_a_bound() {
    let budget = BodyBudget::new(None);
    let mut first = budget.share("a");
    first.resize(HTTP_BODY_BYTES_PER_KEY).unwrap();
    let mut second = budget.share("a");
    let refusal = second.resize(1).unwrap_err();
    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    first.resize(HTTP_BODY_BYTES_PER_KEY - 1).unwrap();
    second.resize(1).unwrap();
    let mut others = Vec::new();
    while used(&budget).0 < HTTP_BODY_BYTES {
        let mut share = budget.share(&format!("b{}", others.len()));
        share.resize(HTTP_BODY_BYTES_PER_KEY).unwrap();
        others.push(share);
    }
    assert!(budget.share("c").resize(1).is_err());
    drop((first, second, others));
    assert_eq!(used(&budget), (0, 0), "everything is given back");
}

#[tokio::test]
async fn a_body_counts_while_it_is_there() {
    let budget = BodyBudget::new(None);
    let whole = budget.share("a").read(Body::from("12345"), 5).await.unwrap();
    assert_eq!((&whole.bytes[..], used(&budget)), (&b"12345"[..], (5, 1)));
    drop(whole);
    let refusal = budget.share("a").read(Body::from("123456"), 5).await.unwrap_err();
    assert_eq!((refusal.status(), used(&budget)), (StatusCode::PAYLOAD_TOO_LARGE, (0, 0)));
    // Without a length.
    let parts = || ["123", "45", "6"].map(Ok::<_, std::io::Error>);
    let unknown = Body::from_stream(futures_util::stream::iter(parts()));
    let refusal = budget.share("a").read(unknown, 5).await.unwrap_err();
    assert_eq!((refusal.status(), used(&budget)), (StatusCode::PAYLOAD_TOO_LARGE, (0, 0)));
    let unknown = Body::from_stream(futures_util::stream::iter(parts()));
    assert_eq!(budget.share("a").read(unknown, 6).await.unwrap().bytes, b"123456");
}
