//! What the other nodes tell of clients and tokens, carried out here.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use uringcast_engine::{ClientAction, ClientCommand, ServiceId, Target};

use super::command_body::{self, CommandBody, Kind};
use super::control::Control;
use super::disconnect;
use super::other_nodes::{OtherNodes, REVOKE, revocation};
use crate::auth::revocations::RevokeError;
use crate::cluster::{Address, Carried, Shared, SharedEvent, SharedMessage};
use crate::limits::SHARED_BODY;
use crate::log::AUDIT;

/// Carries out what the other nodes tell, until the cluster ends. What was stored up to `before`
/// was read when this node began: what is revoked there counts already.
pub(crate) async fn carry_out(
    control: Arc<Control>,
    mut events: mpsc::Receiver<Shared>,
    before: u64,
) {
    let Some(others) = control.others.clone() else { return };
    while let Some(Shared { what, done }) = events.recv().await {
        // A process that takes over goes on behind the last one. What stays here is this one's.
        let _passage = control.gate.pass().await;
        let carried = match what {
            SharedEvent::Message { message, is_own: true, .. } => {
                others.carried_out(message.seq);
                Carried::Out
            }
            SharedEvent::Message { message, is_new, .. } => {
                let of = (is_new, is_new && message.seq <= before);
                let carried = handle((&others, &control), &message, of).await;
                others.carried_out(message.seq);
                carried
            }
            SharedEvent::Anew => {
                others.remember(control.revocations.in_force());
                Carried::Out
            }
            SharedEvent::Level => {
                // A store waits for the cluster, and messages must not wait for it.
                tokio::spawn(Arc::clone(&others).tell_rest());
                Carried::Out
            }
        };
        // Fails when the cluster has ended.
        let _ = done.send(carried);
    }
}

async fn handle(
    (others, control): (&OtherNodes, &Control),
    message: &SharedMessage,
    (is_new, is_late): (bool, bool),
) -> Carried {
    let Some(Address { kind, service, .. }) = Address::parse(&message.tail) else {
        return Carried::Bad;
    };
    let id = others.service(&service).filter(|_| message.body.len() <= SHARED_BODY);
    let Some(id) = id else { return Carried::Bad };
    let kinds = [Kind::Disconnect, Kind::Unsubscribe];
    match kinds.into_iter().find(|known| known.name() == kind) {
        Some(kind) if is_new => command(control, id, (kind, &message.body)).await,
        Some(_) => Carried::Out,
        None if kind == REVOKE => revoke(control, id, message, is_late).await,
        None => Carried::Bad,
    }
}

/// Ends connections or subscriptions, as another node was asked to.
async fn command(control: &Control, id: ServiceId, (kind, body): (Kind, &Bytes)) -> Carried {
    let Ok(body) = serde_json::from_slice::<CommandBody>(body) else { return Carried::Bad };
    let Ok((target, action)) = command_body::parse(kind, &body) else { return Carried::Bad };
    let command = ClientCommand { service: id, target, action };
    let count = control.carry_out(command.clone()).await;
    disconnect::audit((None, control.name(id)), &command, count);
    Carried::Out
}

/// Puts in force what another node has revoked. With `is_late` it counts already, and clients may
/// be here that were taken over.
async fn revoke(
    control: &Control,
    id: ServiceId,
    message: &SharedMessage,
    is_late: bool,
) -> Carried {
    let Ok(revocation) = revocation(message) else { return Carried::Bad };
    let meant = control.revocations.meant(&revocation);
    let until = revocation.until;
    let revocations = Arc::clone(&control.revocations);
    // The disk may be slow.
    let learned = move || revocations.learn([(id, revocation)]);
    match tokio::task::spawn_blocking(learned).await {
        Ok(Ok(false)) if !is_late => return Carried::Out,
        Ok(Ok(_)) => {}
        Ok(Err(RevokeError::Full)) | Err(_) => return Carried::Refused,
        Ok(Err(RevokeError::NotSaved(error))) => {
            tracing::error!("a revocation of another node was not saved: {error}");
        }
    }
    let (service, user) = (control.name(id), meant.user.as_deref());
    let (jti, issued_before) = (meant.token.is_some(), meant.issued_before);
    let node = &*message.node;
    tracing::info!(
        target: AUDIT, node, service, user, jti, issued_before, until, "tokens revoked"
    );
    let (target, action) = (Target::Tokens(meant), ClientAction::Disconnect);
    control.carry_out(ClientCommand { service: id, target, action }).await;
    Carried::Out
}
