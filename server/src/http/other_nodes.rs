//! What concerns clients of all nodes, told to the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use uringcast_engine::{ExternalOrder, ServiceId};

use super::command_body::CommandBody;
use super::error::ApiError;
use super::revocation_body::{self, RevokeBody};
use super::shared_documents::SharedDocuments;
use crate::auth::revocations::{Revocation, Revocations, RevokeError, Subject, now};
use crate::cluster::{Address, Change, NotShared, SharedMessage, SharedStream};
use crate::limits::{COMMAND_AGE, ORDER_PAUSE};

/// What a revocation is called between nodes.
pub(super) const REVOKE: &str = "revoke";

/// What the other nodes of the cluster know of a request that was carried out here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// There is no cluster.
    None,
    /// It is stored where each reads it.
    Told,
    /// They may know nothing.
    NotTold(NotShared),
}

impl Others {
    /// The answer to a request that has concerned so many clients here. What others were not told
    /// is no success.
    ///
    /// # Errors
    /// 503.
    pub(super) fn answer(
        self,
        (name, count): (&'static str, Value),
        mut answer: Value,
    ) -> Result<Json<Value>, ApiError> {
        let why = match self {
            Others::NotTold(NotShared::Full) => "the cluster has as many as it keeps",
            Others::NotTold(_) => "the cluster is not available",
            Others::None | Others::Told => {
                answer[name] = count;
                if self == Others::Told {
                    answer["others"] = "told".into();
                }
                return Ok(Json(answer));
            }
        };
        let text = format!("It is done at this node; other nodes were not told: {why}. Repeat it.");
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "others_not_told", text);
        Err(error.retry_after(ORDER_PAUSE).with(name, count))
    }
}

/// The way to the other nodes.
#[derive(Debug)]
pub struct OtherNodes {
    control: Arc<SharedStream>,
    /// Revocations that are in force here, and that others may not know. As many as there are.
    untold: Mutex<HashMap<(ServiceId, Subject), Revocation>>,
    /// Held while they are told.
    telling: tokio::sync::Mutex<()>,
    pub(super) documents: SharedDocuments,
    /// What this node's services are called between nodes.
    names: Arc<[String]>,
}

impl OtherNodes {
    /// By the streams for control and documents, of which the first may lack these revocations.
    pub(crate) fn new(
        names: Arc<[String]>,
        (control, untold): (Arc<SharedStream>, Vec<(ServiceId, Revocation)>),
        (documents, order): (Arc<SharedStream>, Arc<dyn ExternalOrder>),
    ) -> Arc<OtherNodes> {
        let documents = SharedDocuments::new(documents, order);
        let (none, telling) = (Mutex::default(), tokio::sync::Mutex::default());
        let nodes = OtherNodes { control, untold: none, telling, documents, names };
        nodes.remember(untold);
        Arc::new(nodes)
    }

    /// This node has carried out what was stored up to a position.
    pub(super) fn carried_out(&self, seq: u64) {
        self.control.carried.lock().read = seq;
    }

    /// What a service is called between nodes.
    pub(super) fn name(&self, service: ServiceId) -> &str {
        &self.names[service.index()]
    }

    /// The service that is called so there.
    pub(super) fn service(&self, name: &str) -> Option<ServiceId> {
        let place = self.names.iter().position(|known| known == name)?;
        Some(ServiceId(place as u8))
    }

    /// Keeps in mind what they may not know.
    pub(super) fn remember(&self, untold: impl IntoIterator<Item = (ServiceId, Revocation)>) {
        let mut all = self.untold.lock();
        for (service, one) in untold {
            let known = all.entry((service, one.subject.clone())).or_insert_with(|| one.clone());
            *known = known.and(&one);
        }
    }

    /// Tells them a command.
    pub(super) async fn tell(&self, kind: &str, service: ServiceId, body: &CommandBody) -> Others {
        let told = self.control.tell((kind, self.name(service)), COMMAND_AGE, json(body)).await;
        told.map_or_else(Others::NotTold, |()| Others::Told)
    }

    /// Tells them a revocation, and those that join later.
    pub(super) async fn revoke(&self, service: ServiceId, revocation: &Revocation) -> Others {
        // Also told by and by if the request is given up meanwhile.
        self.remember([(service, revocation.clone())]);
        match self.store(service, revocation).await {
            Ok(()) => Others::Told,
            Err(why) => Others::NotTold(why),
        }
    }

    async fn store(&self, service: ServiceId, revocation: &Revocation) -> Result<(), NotShared> {
        let digest = json(&revocation.subject);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &digest);
        let tail = Address::tail(REVOKE, self.name(service), &hex::encode(digest));
        let revise = |newest: Option<&SharedMessage>| Ok(revised(revocation, newest, now()));
        self.control.replace::<NotShared>(&tail, revise).await?;
        let key = (service, revocation.subject.clone());
        let mut untold = self.untold.lock();
        if untold.get(&key).is_some_and(|other| revocation.covers(other)) {
            untold.remove(&key);
        }
        Ok(())
    }

    /// Tells them what they may not know, as far as that is possible.
    pub(super) async fn tell_rest(self: Arc<Self>) {
        let Ok(_telling) = self.telling.try_lock() else { return };
        let untold: Vec<_> = self.untold.lock().clone().into_iter().collect();
        for ((service, subject), revocation) in untold {
            if revocation.until <= now() {
                self.untold.lock().remove(&(service, subject));
            } else if let Err(why) = self.store(service, &revocation).await {
                tracing::warn!("a revocation is not known to all nodes yet: {why:?}");
                return;
            }
        }
    }
}

/// What the newest message about the same tokens becomes: a revocation is never taken back.
/// `now` is the present second since 1970.
fn revised(new: &Revocation, newest: Option<&SharedMessage>, now: i64) -> Change {
    let known = newest.and_then(|newest| revocation(newest).ok());
    let known = known.filter(|known| known.subject == new.subject && known.until > now);
    let all = match known {
        Some(known) if known.covers(new) => return Change::Leave,
        Some(known) => known.and(new),
        None => new.clone(),
    };
    let rest = u64::try_from(all.until - now).unwrap_or(0);
    Change::Store(json(&RevokeBody::of(&all, now)), Some(Duration::from_secs(rest)))
}

/// The revocation of a message.
pub(super) fn revocation(message: &SharedMessage) -> Result<Revocation, ApiError> {
    let body = serde_json::from_slice(&message.body);
    revocation_body::parse(body.map_err(|error| ApiError::json(&"", &error))?, message.unix)
}

fn json(body: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(body).expect("it is JSON").into()
}

/// Puts in force what the other nodes have revoked, before this one serves. `names` are its
/// services as they are called between nodes. Returns what is in force here, and they may not know.
///
/// # Errors
/// [`RevokeError`].
pub(crate) fn revoke_before(
    messages: &[SharedMessage],
    names: &[String],
    revocations: &Revocations,
) -> Result<Vec<(ServiceId, Revocation)>, RevokeError> {
    let mut known = HashMap::new();
    for message in messages {
        let Some(address) = Address::parse(&message.tail).filter(|address| address.kind == REVOKE)
        else {
            continue;
        };
        let place = names.iter().position(|name| *name == address.service);
        let Some((place, revocation)) = place.zip(revocation(message).ok()) else { continue };
        known.insert((place, revocation.subject.clone()), revocation);
    }
    let all = known.iter().map(|((place, _), one)| (ServiceId(*place as u8), one.clone()));
    revocations.learn(all)?;
    let is_known = |(service, one): &(ServiceId, Revocation)| {
        let known = known.get(&(service.index(), one.subject.clone()));
        known.is_some_and(|known| known.covers(one))
    };
    Ok(revocations.in_force().into_iter().filter(|one| !is_known(one)).collect())
}

#[cfg(test)]
mod tests;
