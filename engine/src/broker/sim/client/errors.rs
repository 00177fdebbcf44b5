//! Errors that a client is answered.

use serde_json::Value;

use super::Client;
use crate::broker::sim::truth::correlation;

impl Client {
    pub(super) fn error(&mut self, value: &Value) {
        let code = value["error_code"].as_str().unwrap();
        self.too_fast += u64::from(code == "RATE_LIMIT_EXCEEDED");
        self.forbidden += u64::from(code == "FORBIDDEN");
        let Some(id) = correlation(value) else {
            return assert!(matches!(code, "DECODE_ERROR" | "RATE_LIMIT_EXCEEDED"), "{value}");
        };
        assert!(
            matches!(
                code,
                "BUSY"
                    | "RATE_LIMIT_EXCEEDED"
                    | "LIMIT_EXCEEDED"
                    | "UNKNOWN_REQUEST"
                    | "AUTH_FAILED"
                    | "FORBIDDEN"
                    | "UNAVAILABLE"
                    | "UNKNOWN_OUTCOME"
            ),
            "{value}"
        );
        self.busy += u64::from(code == "BUSY");
        self.orders.retain(|(order, _)| *order != id);
        self.asked.remove(&id);
    }
}
