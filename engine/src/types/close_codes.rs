//! Which close codes clients get.

/// The close codes of reasons for which neither RFC 6455 nor IANA's registry has one. The others
/// have theirs in either case: 1001, 1002, 1007, 1009, 1011, 1012, 1013.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseCodes {
    /// A code for each reason, in ranges by which a program can tell what to do: 4000 to 4099 do
    /// not reconnect as before, 4100 to 4199 reconnect later, 4200 to 4299 reconnect now.
    #[default]
    Own,
    /// 1008 (policy violation) for all of them, as the family's clients know it.
    Family,
}
