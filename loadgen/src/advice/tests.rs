use super::*;

#[test]
fn advice_is_about_what_was_not_tried_yet() {
    let none = Given::default();
    let token = Given { token: true, ..Given::default() };
    let http = Given { http: true, ..Given::default() };
    let key = Given { api_key: true, ..http.clone() };
    let service = Given { service: Some("fleet".into()), ..http.clone() };
    for (given, code, part) in [
        (&none, "AUTH_REQUIRED", "give --token,"),
        (&token, "AUTH_REQUIRED", "drop the Authorization"),
        (&none, "HTTP 401", "give --token,"),
        (&token, "AUTH_FAILED", "exp, iss"),
        (&none, "FORBIDDEN", "--anonymous-publish"),
        (&token, "FORBIDDEN", "has no permission"),
        (&http, "HTTP 401", "with --api-key"),
        (&key, "HTTP 401", "does not know this --api-key"),
        (&key, "HTTP 403", "not for these channels"),
        (&http, "HTTP 400", "needs --service NAME"),
        (&service, "HTTP 404", "a service fleet?"),
    ] {
        let advice = given.remedy_for(code);
        assert!(advice.contains(part), "{given:?} {code}: {advice}");
    }
    assert!(!token.remedy_for("AUTH_REQUIRED").contains("--token"));
    assert!(!key.remedy_for("HTTP 401").contains("give the server's key"));
}

#[test]
fn a_close_and_an_answered_upgrade_are_explained() {
    let none = Given::default();
    assert!(none.remedy_for_close("1013 Server at maximum capacity").contains("--max-connections"));
    assert!(none.remedy_for_close("4101 Authentication required").contains("give --token,"));
    assert!(none.remedy_for_close("1008 Authentication failed").contains("exp, iss"));
    assert!(none.remedy_for_upgrade("HTTP 404 Not Found").contains("path"));
    assert!(none.remedy_for_upgrade("HTTP 426 Upgrade Required").contains("WebSocket port"));
}
