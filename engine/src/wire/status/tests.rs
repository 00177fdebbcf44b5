use serde_json::{Value, json};

use super::*;

fn value(answer: &Named) -> Value {
    serde_json::to_value(answer).unwrap()
}

fn told(id: Option<(&str, &str)>, event: &str, data: &str) -> Value {
    let envelope = format!(r#"{{"id":"x","event":"{event}","data":{data},"seq":4}}"#);
    value(&answer(id, Some(StatusView::Event(&envelope))))
}

#[test]
fn the_last_event_tells_the_status_and_what_else_it_said() {
    let id = Some(("pool_id", "p1"));
    assert_eq!(
        told(id, "pool.scaled", r#"{"pool_id":"p1","worker_count":5}"#),
        json!({"pool_id": "p1", "status": "scaled", "worker_count": 5})
    );
    assert_eq!(
        told(id, "pool.status_changed", r#"{"status":{"state":"idle"}}"#),
        json!({"pool_id": "p1", "status": {"state": "idle"}})
    );
    assert_eq!(told(None, "anomaly.detected", "{}"), json!({"status": "detected"}));
}

#[test]
fn a_document_is_told_as_it_is() {
    let said = Some(StatusView::Document(r#"{"status":"idle","workers":3}"#));
    let told = |id| value(&answer(id, said));
    assert_eq!(told(None), json!({"status": "idle", "workers": 3}));
    let asked = json!({"pool_id": "p1", "status": "idle", "workers": 3});
    assert_eq!(told(Some(("pool_id", "p1"))), asked);
}

#[test]
fn what_cannot_be_a_value_of_ours_is_told_as_it_was_written() {
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for odd in [r#""\ud800""#, "1e999", &deep] {
        let data = format!(r#"{{"status":{odd},"x":{odd},"\ud800":1}}"#);
        let envelope = format!(r#"{{"event":"a.b","data":{data},"seq":4}}"#);
        for said in [StatusView::Event(&envelope), StatusView::Document(&data)] {
            let told = serde_json::to_string(&answer(None, Some(said))).unwrap();
            assert_eq!(told, format!(r#"{{"status":{odd},"x":{odd}}}"#));
        }
    }
    let none = json!({"pool_id": "p1", "status": "not_found"});
    assert_eq!(told(Some(("pool_id", "p1")), "a.b", r#"{"pool_id":"\ud800"}"#), none);
}

#[test]
fn without_an_event_about_it_nothing_is_found() {
    let none = json!({"state_path": "a", "status": "not_found"});
    let id = Some(("state_path", "a"));
    assert_eq!(value(&answer(id, None)), none);
    assert_eq!(told(id, "state.changed", r#"{"state_path":"b","new_value":1}"#), none);
}
