//! `top`: what the live page shows, in a terminal.

use std::io::{IsTerminal, stdout};

use axum::body::Body;
use clap::Parser;
use hyper::Request;
use rustix::termios::tcgetwinsize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::connection_flags::{KeyFlag, TrustFlags};
use super::endpoint::{Endpoint, Way};
use super::{Failure, print, top_view};
use crate::diagnostics::client::connect::ServerConnector;
use crate::diagnostics::client::http_exchange::{exchange, head};
use crate::limits::TOP_INTERVAL;
use crate::settings::value::Secret;

/// The flags of `top`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server top", version, max_term_width = 100)]
#[command(about = "Shows what a server does, each second: what its live page shows")]
#[command(after_help = "\
Where standard output is no terminal it prints a line a second. Ctrl-C ends it.
A server with API keys wants one for all services and channels.
Exit code: 0 at its end; 2 when the server cannot be asked.")]
pub struct TopOptions {
    /// The control port: http://HOST:PORT
    #[arg(value_name = "URL")]
    url: String,
    /// Print everything once, and end
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    key: KeyFlag,
    #[command(flatten)]
    trust: TrustFlags,
}

/// Shows until a signal, or once.
pub(super) async fn run(options: TopOptions) -> Result<i32, Failure> {
    let endpoint = Endpoint::parse(&options.url, &[Way::Http])?;
    let key = options.key.read()?;
    let connector = endpoint.open(options.trust.trust()).await?;
    let server = Watched { connector, path: endpoint.path, key };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = show(&server, options.once) => ended.map(|()| 0),
        _ = interrupt.recv() => Ok(0),
        _ = terminate.recv() => Ok(0),
    }
}

async fn show(server: &Watched, once: bool) -> Result<(), Failure> {
    // The first answer tells whether there is anything to show.
    let mut answer = server.ask().await;
    if once || answer.is_err() {
        print(&(top_view::screen(&answer?).join("\n") + "\n"));
        return Ok(());
    }
    let screen = stdout().is_terminal().then(Screen::enter);
    let mut tick = interval(TOP_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        let is_read = match (&screen, &answer) {
            (Some(screen), Ok(all)) => screen.draw(&top_view::screen(all)),
            (Some(screen), Err(failure)) => screen.draw(&[failure.to_string()]),
            (None, Ok(all)) => print(&(top_view::line(all) + "\n")),
            (None, Err(failure)) => print(&format!("{failure}\n")),
        };
        if !is_read {
            return Ok(());
        }
        tick.tick().await;
        answer = server.ask().await;
    }
}

/// The server that is asked.
struct Watched {
    connector: ServerConnector,
    /// As the URL has it: of a proxy, where the control port is.
    path: String,
    key: Option<Secret>,
}

impl Watched {
    async fn ask(&self) -> Result<Value, Failure> {
        let unanswered = |reason| Failure::new(reason, "Give the control port's URL.");
        let request = Request::get(format!("{}/debug/live", self.path.trim_end_matches('/')));
        let request = head(request, &self.connector.authority(), self.key.as_ref());
        let request = request.body(Body::empty());
        let request = request.map_err(|error| unanswered(error.to_string()))?;
        let stream = self.connector.connected().await?;
        let answer = self.connector.with_timeout(exchange(stream, request)).await;
        let answer = answer.map_err(unanswered)?;
        match answer.status.as_u16() {
            200 => serde_json::from_str(&answer.body)
                .map_err(|_| unanswered("the answer is no JSON".into())),
            401 => Err(Failure::new(answer.summary(), "Give --api-key-file.")),
            403 => {
                let remedy = "Give an --api-key-file with a key for all services and channels.";
                Err(Failure::new(answer.summary(), remedy))
            }
            _ => Err(unanswered(answer.summary())),
        }
    }
}

/// The terminal's other screen, without a cursor, until this is dropped.
struct Screen;

impl Screen {
    fn enter() -> Screen {
        print("\x1b[?1049h\x1b[?25l");
        Screen
    }

    /// Draws over what was there before. Whether the terminal is still there.
    fn draw(&self, lines: &[String]) -> bool {
        // A terminal that knows no size says 0.
        let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let (columns, rows) = size.map_or((80, 24), |size| (size.ws_col, size.ws_row));
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        let cut = |line: &String| line.chars().take(columns).collect::<String>();
        let lines: Vec<String> = lines.iter().take(rows).map(cut).collect();
        // To the end of each line, and of the screen, what was there before is erased.
        print(&format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        print("\x1b[?25h\x1b[?1049l");
    }
}
