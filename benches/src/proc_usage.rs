//! What the server's core and process spent, from /proc.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{fs, io};

/// Ticks a second of /proc/stat.
const TICKS: f64 = 100.0;

/// Readings at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// When it was.
    pub at: Instant,
    /// Seconds the core was idle since boot, in steps of 10 ms.
    idle: f64,
    /// Seconds all threads of the process ran.
    ran: f64,
}

/// What was spent between two readings, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Of the clock.
    pub wall: f64,
    /// Of the core: all that was not idle.
    pub core: f64,
    /// Of the process.
    pub process: f64,
}

/// Seconds of the wall clock, which programs can compare.
pub fn clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The server's process, and the core it is pinned to.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// The process.
    pub pid: Option<u32>,
    /// The core.
    pub core: usize,
}

impl Meter {
    /// Reads the clock, the core's idle time and the process's run time.
    pub fn read(&self) -> Reading {
        Reading { at: Instant::now(), idle: self.idle(), ran: self.ran() }
    }

    /// What was spent since.
    pub fn since(&self, then: Reading) -> Usage {
        let now = self.read();
        let wall = (now.at - then.at).as_secs_f64();
        let core = (wall - (now.idle - then.idle)).max(0.0);
        Usage { wall, core, process: now.ran - then.ran }
    }

    fn idle(&self) -> f64 {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let name = format!("cpu{} ", self.core);
        let line = stat.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default();
        let fields = line.split_whitespace().skip(3).take(2);
        fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    fn ran(&self) -> f64 {
        self.pid.and_then(|pid| cpu_time(pid).ok()).unwrap_or(0.0)
    }

    /// Anonymous memory of the process, in KiB.
    pub fn anonymous(&self) -> u64 {
        let Some(pid) = self.pid else { return 0 };
        field(&format!("/proc/{pid}/status"), "RssAnon:")
    }

    /// The kernel's slab, in KiB.
    pub fn slab() -> u64 {
        field("/proc/meminfo", "Slab:")
    }
}

/// Seconds of CPU time the threads of a process have used, in user space and kernel.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> io::Result<f64> {
    let mut ns = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may have ended meanwhile.
        let stat = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        ns += stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(ns / 1e9)
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or(0)
}
