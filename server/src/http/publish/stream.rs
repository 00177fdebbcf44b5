//! `POST /v1/publish` with one message a line and without a limit on their number.
//!
//! Messages that the engine refuses for want of room are retried, and nothing is read meanwhile:
//! TCP then slows the publisher down. The answer is a summary at the end, since most HTTP clients
//! read no answer before they have sent everything.

use std::ops::Range;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::json;
use tokio::time::{sleep, timeout};
use uringcast_engine::PublishError;

use super::parse::parse_item;
use super::submit::{Accepted, Message, submit};
use super::{IDEMPOTENCY_KEY, idempotency_key};
use crate::http::cpu_turns::CpuTurns;
use crate::http::error::ApiError;
use crate::http::rule_headers::Given;
use crate::http::selected_service::{MaxData, SelectedService};
use crate::limits::{MAX_PUBLISH_BATCH, PUBLISH_STREAM_IDLE, PUBLISH_STREAM_PATIENCE};

/// Reads and publishes to the end, or to the first line that cannot be published.
pub(super) async fn publish(
    selected: SelectedService,
    request: Request,
) -> Result<Response, ApiError> {
    let key = Given::of(request.headers(), IDEMPOTENCY_KEY);
    let key = idempotency_key(key)?.map(String::from);
    let max_data = selected.max_data();
    let (progress, turns) = (Progress::default(), CpuTurns::default());
    let mut stream = Stream { selected, key, max_data, progress, turns };
    let mut body = request.into_body();
    match stream.run(&mut body).await {
        Ok(()) => {
            let body = axum::Json(json!({ "summary": stream.progress }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        Err(error) => Err(error.with("summary", json!(stream.progress))),
    }
}

struct Stream {
    selected: SelectedService,
    key: Option<String>,
    max_data: MaxData,
    progress: Progress,
    turns: CpuTurns,
}

/// What has become of the lines so far.
#[derive(Default, Serialize)]
struct Progress {
    /// Lines before the first that was not published.
    lines: u64,
    published: u64,
    duplicates: u64,
}

impl Stream {
    async fn run(&mut self, body: &mut Body) -> Result<(), ApiError> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut share = self.selected.body_share();
        let mut searched = 0;
        loop {
            let frame = timeout(PUBLISH_STREAM_IDLE, body.frame()).await.map_err(|_| {
                let text = format!("Nothing came for {} s.", PUBLISH_STREAM_IDLE.as_secs());
                ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", text)
            })?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| ApiError::unreadable())?;
            buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            let end = memchr::memrchr(b'\n', &buffer[searched..]).map(|at| searched + at + 1);
            if let Some(end) = end {
                self.publish_lines(&buffer[..end]).await?;
                buffer.drain(..end);
            }
            searched = buffer.len();
            share.resize(searched)?;
            let most = self.max_data.message_bytes();
            if buffer.len() > most {
                let line = self.progress.lines + 1;
                let text = format!("line {line} has more than {most} bytes");
                return Err(ApiError::too_large(text));
            }
        }
        self.publish_lines(&buffer).await
    }

    /// Takes whole lines.
    async fn publish_lines(&mut self, text: &[u8]) -> Result<(), ApiError> {
        let mut lines = Vec::with_capacity(MAX_PUBLISH_BATCH);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
            if end > start || end < text.len() {
                lines.push(start..end);
            }
            start = end + 1;
            if lines.len() == MAX_PUBLISH_BATCH {
                self.publish_batch(text, &lines).await?;
                lines.clear();
            }
        }
        self.publish_batch(text, &lines).await
    }

    /// One line, if its channel is the caller's. The request's key is its id, if it has none.
    fn parse_line(&self, number: u64, line: &[u8]) -> Result<Message, ApiError> {
        let mut message = parse_item(&format_args!("line {number}: "), line, self.max_data)?;
        self.selected.may_publish(std::iter::once(&message.publication.channel))?;
        if let Some(key) = &self.key {
            message.take_id(key, number);
        }
        Ok(message)
    }

    /// Publishes these lines, in their order in each channel.
    async fn publish_batch(&mut self, text: &[u8], lines: &[Range<usize>]) -> Result<(), ApiError> {
        let first = self.progress.lines + 1;
        // Which of them are still to be published.
        let mut left: Vec<usize> = (0..lines.len()).collect();
        let mut fault = None;
        let mut patience = Instant::now();
        loop {
            let (mut messages, mut places) = (Vec::new(), Vec::new());
            for &place in &left {
                let line = text[lines[place].clone()].trim_ascii();
                self.turns.read(line.len());
                if line.is_empty() {
                    continue;
                }
                match self.parse_line(first + place as u64, line) {
                    Ok(message) => {
                        messages.push(message);
                        places.push(place);
                    }
                    Err(error) => {
                        fault = Some((place, error));
                        break;
                    }
                }
            }
            let tried = places.len();
            let results = submit(&self.selected, messages).await;
            let results = results.unwrap_or_else(|error| vec![Err(error); tried]);
            left.clear();
            let (mut over_limit, mut ending) = (None, None);
            for (place, result) in places.into_iter().zip(results) {
                match result {
                    Ok(Accepted { duplicate: true, .. }) => self.progress.duplicates += 1,
                    Ok(_) => self.progress.published += 1,
                    // A retry is useless.
                    Err(PublishError::ChannelLimit) => over_limit = over_limit.or(Some(place)),
                    Err(error) => {
                        // Those are tried again that found no room.
                        ending = ending.or((error != PublishError::Saturated).then_some(error));
                        left.push(place);
                    }
                }
            }
            if let Some(place) = over_limit {
                let line = format!("line {}: ", first + place as u64);
                fault = Some((place, ApiError::channel_limit(&line)));
                left.retain(|other| *other < place);
            }
            let end = fault.as_ref().map_or(lines.len(), |(place, _)| *place);
            self.progress.lines = first - 1 + left.first().copied().unwrap_or(end) as u64;
            if let Some(error) = ending {
                return Err(ApiError::refused(error, ""));
            }
            if left.is_empty() {
                return fault.map_or(Ok(()), |(_, error)| Err(error));
            }
            if left.len() < tried {
                patience = Instant::now();
            }
            if patience.elapsed() > PUBLISH_STREAM_PATIENCE {
                let text = format!("The engine has no room for line {}.", self.progress.lines + 1);
                return Err(ApiError::saturated(text));
            }
            sleep(RETRY).await;
        }
    }
}

/// Between two tries: about what the engine takes to serve a full channel.
const RETRY: Duration = Duration::from_millis(2);
