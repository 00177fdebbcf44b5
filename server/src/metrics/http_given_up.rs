//! What HTTP ports give up so that others find room.

use prometheus::{IntCounterVec, Opts};

use super::table::row;

const NAME: &str = "uringcast_http_given_up_total";

/// What is given up, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The oldest connection without an admitted request, for a newer one; or the newer one, where
    /// answers are being made on all others.
    New,
    /// A publisher's idle connection, for another publisher's.
    Idle,
    /// The connection longest without use, because the process had no descriptor left.
    Descriptors,
    /// A request, because all places of publishers are in use.
    Places,
    /// A request, because bodies under way have too many bytes.
    Bytes,
}

impl GivenUp {
    const ALL: [GivenUp; 5] =
        [GivenUp::New, GivenUp::Idle, GivenUp::Descriptors, GivenUp::Places, GivenUp::Bytes];

    fn label(self) -> &'static str {
        match self {
            GivenUp::New => "new",
            GivenUp::Idle => "idle",
            GivenUp::Descriptors => "descriptors",
            GivenUp::Places => "places",
            GivenUp::Bytes => "bytes",
        }
    }
}

/// Counts it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpGivenUp(pub(super) IntCounterVec);

impl HttpGivenUp {
    pub(super) fn new(server: &str) -> HttpGivenUp {
        let opts = Opts::new(NAME, row(NAME).help).const_label("server", server);
        let counters = IntCounterVec::new(opts, &["reason"]);
        let given_up = HttpGivenUp(counters.expect("our metrics are well named"));
        // So that every series is there from the start.
        for reason in GivenUp::ALL {
            let _ = given_up.0.with_label_values(&[reason.label()]);
        }
        given_up
    }

    /// Counts one.
    pub fn count(&self, reason: GivenUp) {
        self.0.with_label_values(&[reason.label()]).inc();
    }
}
