//! HTTP requests of publishers, by key.

use prometheus::{IntCounterVec, Opts};

/// Counts them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Requests(IntCounterVec);

impl Requests {
    pub(super) fn new(server: &str) -> Requests {
        let help = "HTTP requests to the control port, by the name of their API key and status.";
        let opts = Opts::new("uringcast_api_requests_total", help).const_label("server", server);
        Requests(IntCounterVec::new(opts, &["key", "code"]).expect("our metrics are well named"))
    }

    pub(super) fn collector(&self) -> Box<IntCounterVec> {
        Box::new(self.0.clone())
    }

    /// One more, with the name of a known key or none, and the answer's status.
    pub fn count(&self, key: &str, code: &str) {
        self.0.with_label_values(&[key, code]).inc();
    }
}
