//! Reads of a stream: what its messages and answers look like.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::HeaderMap;
use serde_json::{Value, json};

use super::chain::Message;
use super::jetstream_requests::{NO_MESSAGES, RequestError, Requests, status};
use super::subjects::Subjects;
use crate::limits::{NEWEST_CHANNELS, QUESTION_RETRY, READ_BYTES, READ_MESSAGES, READ_TRIES};

/// The end of a batch.
const END: u16 = 204;

/// Where each of some channels stands at one replica.
#[derive(Debug)]
pub(crate) struct Newest {
    /// Positions by the channel's tokens.
    pub(crate) positions: HashMap<Arc<str>, u64>,
    /// The replica has the stream up to here.
    pub(crate) up_to: u64,
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.as_str().parse().ok()
}

/// A message of the stream, whether it comes as it is published or by a read; `None` where it is
/// not one.
pub(crate) fn message(of: &async_nats::Message) -> Option<Message> {
    let headers = of.headers.as_ref()?;
    let time: jiff::Timestamp = headers.get("Nats-Time-Stamp")?.as_str().parse().ok()?;
    Some(Message {
        seq: number(headers, "Nats-Sequence")?,
        prev: number(headers, "Nats-Last-Sequence").unwrap_or(0),
        time: u64::try_from(time.as_nanosecond()).ok()?,
        data: of.payload.clone(),
    })
}

/// The subject of reads of a stream.
pub(super) fn direct(stream: &str) -> String {
    format!("$JS.API.DIRECT.GET.{stream}")
}

/// Messages of a channel from a position on, in order, as one replica has them.
pub(crate) async fn messages(
    requests: &Requests,
    subjects: &Subjects,
    channel: &str,
    from: u64,
) -> Result<Vec<Message>, RequestError> {
    let page = page(requests, &subjects.stream, &subjects.stored(channel), from).await?;
    Ok(page.iter().filter_map(message).collect())
}

/// Messages of a stream from a position on, in order, as one replica has them: those of the
/// subjects that a filter names.
pub(super) async fn page(
    requests: &Requests,
    stream: &str,
    filter: &str,
    from: u64,
) -> Result<Vec<async_nats::Message>, RequestError> {
    let request = json!({
        "batch": READ_MESSAGES,
        "max_bytes": READ_BYTES,
        "seq": from.max(1),
        "next_by_subj": filter,
    });
    let mut answers = requests.read(&direct(stream), &request).await?;
    let end = answers.pop().and_then(|last| status(&last));
    match end {
        Some(END | NO_MESSAGES) => Ok(answers),
        _ => Err(RequestError::Late),
    }
}

/// The newest positions of channels. The sentinel is asked for with them:
/// where nothing is found, a replica does not say how far it is.
pub(crate) async fn newest(
    requests: &Requests,
    subjects: &Subjects,
    channels: &[Arc<str>],
) -> Result<Newest, RequestError> {
    newest_of(requests, subjects, &newest_request(subjects, channels)).await
}

fn newest_request(subjects: &Subjects, channels: &[Arc<str>]) -> Value {
    debug_assert!(channels.len() <= NEWEST_CHANNELS);
    let stored = channels.iter().map(|channel| subjects.stored(channel));
    let wanted: Vec<_> = stored.chain([subjects.sentinel.clone()]).collect();
    json!({ "multi_last": wanted })
}

async fn newest_of(
    requests: &Requests,
    subjects: &Subjects,
    request: &Value,
) -> Result<Newest, RequestError> {
    let mut answers = requests.read(&direct(&subjects.stream), request).await?;
    let end = answers.pop().filter(|last| status(last) == Some(END));
    let headers = end.and_then(|end| end.headers);
    let up_to = headers.and_then(|headers| number(&headers, "Nats-UpTo-Sequence"));
    let up_to = up_to.ok_or(RequestError::Late)?;
    let positions = answers.iter().filter_map(|answer| place(subjects, answer)).collect();
    Ok(Newest { positions, up_to })
}

/// The newest positions of channels of those up to one. A replica that has not got so far says
/// nothing.
pub(crate) async fn newest_to(
    requests: &Requests,
    subjects: &Subjects,
    (channels, up_to): (&[Arc<str>], u64),
) -> Result<Newest, RequestError> {
    let mut request = newest_request(subjects, channels);
    request["up_to_seq"] = up_to.into();
    newest_of(requests, subjects, &request).await
}

/// Which messages of all channels the stream has from a position on, as far as one read goes.
pub(crate) async fn stored(
    requests: &Requests,
    subjects: &Subjects,
    from: u64,
) -> Result<Vec<(Arc<str>, u64)>, RequestError> {
    let page = page(requests, &subjects.stream, &subjects.all_stored(), from).await?;
    Ok(page.iter().filter_map(|message| place(subjects, message)).collect())
}

/// The channel of an answer's message, and its position.
fn place(subjects: &Subjects, answer: &async_nats::Message) -> Option<(Arc<str>, u64)> {
    let headers = answer.headers.as_ref()?;
    let channel = subjects.tokens(headers.get("Nats-Subject")?.as_str())?;
    Some((Arc::from(channel), number(headers, "Nats-Sequence")?))
}

/// All messages of a channel from a position on, as a replica has them that has the stream up to
/// `floor`, and the newest position among all of the channel's; 0 where it has none.
pub(crate) async fn all(
    requests: &Requests,
    subjects: &Subjects,
    channel: &Arc<str>,
    (from, floor): (u64, u64),
) -> Result<(Vec<Message>, u64), RequestError> {
    let mut found: Vec<Message> = Vec::new();
    for tries in 0..READ_TRIES {
        if tries > 0 {
            tokio::time::sleep(QUESTION_RETRY * tries).await;
        }
        let newest = newest(requests, subjects, std::slice::from_ref(channel)).await?;
        let last = newest.positions.get(channel).copied().unwrap_or(0);
        if newest.up_to < floor {
            continue;
        }
        // Further pages, as long as they bring something: another replica may be behind.
        loop {
            let next = found.last().map_or(from, |message| message.seq + 1);
            if next > last {
                return Ok((found, last));
            }
            let page = messages(requests, subjects, channel, next).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
    }
    Err(RequestError::Late)
}
