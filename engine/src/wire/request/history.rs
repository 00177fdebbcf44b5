//! The request for a channel's history.

use super::positions::position;
use super::{RequestError, Since, data, name_of};
use crate::limits::{DEFAULT_HISTORY_MESSAGES, HISTORY_MESSAGES};
use crate::types::ChannelName;
use crate::wire::envelope::Inbound;

/// Which part of a channel's log a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The channel.
    pub channel: ChannelName,
    /// The position to go on from.
    pub since: Option<Since>,
    /// Messages at most.
    pub limit: usize,
    /// Newest first.
    pub reverse: bool,
}

impl HistoryRequest {
    pub(super) fn parse(message: &Inbound<'_>) -> Result<HistoryRequest, RequestError> {
        let [channel, since, limit, reverse] =
            data(message, &["channel", "since", "limit", "reverse"]);
        let limit = limit.map_or(Some(DEFAULT_HISTORY_MESSAGES), |limit| {
            let limit = serde_json::from_str(limit.get()).ok()?;
            (1..=HISTORY_MESSAGES).contains(&limit).then_some(limit)
        });
        let reverse =
            reverse.map_or(Some(false), |reverse| serde_json::from_str(reverse.get()).ok());
        Ok(HistoryRequest {
            channel: name_of(channel)?,
            since: since.map(position).transpose().map_err(|_| RequestError::InvalidRange)?,
            limit: limit.ok_or(RequestError::InvalidRange)?,
            reverse: reverse.ok_or(RequestError::InvalidRange)?,
        })
    }
}
