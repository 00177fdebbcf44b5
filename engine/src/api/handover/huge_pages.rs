//! Memory in a pause.

use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};

/// From the beginning to the drop of this, the kernel gives the process no huge pages: for one, a
/// page fault may wait until other memory is moved together, for some milliseconds.
#[derive(Debug)]
pub(super) struct NoHugePages {
    /// There were some before, so that there are again.
    had_some: bool,
}

impl NoHugePages {
    /// Where the system refuses, huge pages are given as before.
    pub(super) fn begin() -> NoHugePages {
        let had_some = transparent_huge_pages_are_disabled() == Ok(false)
            && disable_transparent_huge_pages(true).is_ok();
        NoHugePages { had_some }
    }
}

impl Drop for NoHugePages {
    fn drop(&mut self) {
        if self.had_some {
            // What was allowed a moment ago.
            let _ = disable_transparent_huge_pages(false);
        }
    }
}

#[test]
fn huge_pages_come_back() {
    if transparent_huge_pages_are_disabled() != Ok(false) {
        return;
    }
    let pause = NoHugePages::begin();
    // Of a pause in a pause.
    drop(NoHugePages::begin());
    assert_eq!(transparent_huge_pages_are_disabled(), Ok(true));
    drop(pause);
    assert_eq!(transparent_huge_pages_are_disabled(), Ok(false));
}
