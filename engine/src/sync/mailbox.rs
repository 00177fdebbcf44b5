//! A bounded queue from any thread to one shard, with room reserved before anything is sent.

/// The sending side. Cheap to clone.
#[derive(Debug)]
pub struct Mailbox<T> {
    _t: std::marker::PhantomData<T>,
}

/// The shard's side.
#[derive(Debug)]
pub struct MailboxReceiver<T> {
    _t: std::marker::PhantomData<T>,
}
/// Makes the two ends of a mailbox.
pub fn mailbox<T>() -> (Mailbox<T>, MailboxReceiver<T>) {
    todo!()
}
