//! HTTP requests of publishers, by key.

use prometheus::{IntCounterVec, Opts};

use super::table::row;

const NAME: &str = "uringcast_api_requests_total";

/// Counts them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Requests(pub(super) IntCounterVec);

impl Requests {
    pub(super) fn new(server: &str) -> Requests {
        let opts = Opts::new(NAME, row(NAME).help).const_label("server", server);
        let counters = IntCounterVec::new(opts, &["key", "code"]);
        let requests = Requests(counters.expect("our metrics are well named"));
        // So that the series is there before the first request.
        let _ = requests.0.with_label_values(&["", "202"]);
        requests
    }

    /// Counts one request by the name of its key, which may be empty, and the status of the answer.
    pub fn count(&self, key: &str, code: &str) {
        self.0.with_label_values(&[key, code]).inc();
    }
}
