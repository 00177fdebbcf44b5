use std::collections::BTreeSet;

use serde_json::Value;

/// Not for services, but for operators and pages.
const UNLISTED: [&str; 4] = ["/", "/client/{file}", "/debug/latency", "/debug/live"];

#[test]
fn the_document_has_every_route_and_no_other() {
    let document: Value = serde_json::from_str(super::DOCUMENT).unwrap();
    let described: BTreeSet<String> =
        document["paths"].as_object().unwrap().keys().cloned().collect();
    let source = include_str!("../../http.rs");
    let router = source.split("pub fn control_router").nth(1).unwrap();
    let router = router.split("\n}\n").next().unwrap();
    let routes = router.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap());
    let of_a_service = router.split("let guarded").next().unwrap();
    let full = |path: &str| match of_a_service.contains(&format!("\"{path}\"")) {
        true => format!("/v1{path}"),
        false => path.to_owned(),
    };
    let routes: BTreeSet<String> =
        routes.filter(|path| !UNLISTED.contains(path)).map(full).collect();
    assert_eq!(described, routes);
}
