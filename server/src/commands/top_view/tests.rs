use serde_json::json;

use super::{count, line, screen, time};

#[test]
fn names_move_no_cursor_and_tables_without_rows_are_left_out() {
    let all = json!({
        "version": "1", "services": [{"name": "a\u{1b}[2J"}, {"name": "b"}],
        "now": {
            "at": 7, "uptime": 90_061,
            "rows": [[3, 12_345, 20, 0, 1_500, 2_000_000], [1, 2, 3, 4, 5, 6], [2, 0, 0, 0, 0, 0]],
            "engine": {"channels": 1, "laggards": {"slow": 1, "recovering": 2}},
            "shards": [{"busy": 0.5, "connections": 3, "deliveries": 5, "mailbox": 0},
                       {"silent": true}],
            "hottest": [{"channel": "room:\n1", "service": "b", "per_second": 2.5}],
            "slowest": [], "closes": null,
        },
    });
    let lines = screen(&all);
    let text = lines.join("|");
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.starts_with("uringcast 1, up 1 d 1 h: a?[2J, b|1 channels"), "{text}");
    assert!(text.contains(" 3 laggards;") && text.contains("|1      silent"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("room:?1") && line.ends_with(" 2.5")));
    assert!(!text.contains("SLOWEST") && !text.contains("CLOSED"), "{text}");
    let row = "at=7 connections=3 delivered/s=12.3k published/s=20 p50=– p99=1.50ms p99.9=2.00s";
    assert_eq!(line(&all), row);
    let off = json!({"version": "1", "services": [], "now": null});
    assert!(line(&off).contains("no_metrics") && screen(&off).len() == 2);
}

#[test]
fn each_reason_of_closed_connections_has_its_code() {
    let closes = json!([{"reason": "expelled", "code": "4005", "recent": 1, "total": 2}]);
    let all = json!({"now": {"closes": closes}});
    let lines = screen(&all);
    let row: Vec<&str> = lines.last().expect("a row").split_whitespace().collect();
    assert_eq!(row, ["expelled", "4005", "1", "2"]);
}

#[test]
fn numbers_are_short() {
    let texts = [0.0, 9_999.0, 10_000.0, 1e7, 2.5e10].map(count);
    assert_eq!(texts, ["0", "9999", "10.0 k", "10.0 M", "25.0 G"]);
    assert_eq!([0.0, 999.0, 1_000.0, 1e6].map(time), ["–", "999 µs", "1.00 ms", "1.00 s"]);
}
