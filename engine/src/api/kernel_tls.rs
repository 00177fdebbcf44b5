//! Whether TLS connections are handed to the kernel: decided once, when the engine starts.

use std::io;

use crate::config::{Config, KernelTls};
use crate::limits::KERNEL_TLS_PAYS;
use crate::shard::Kernel;
use crate::types::StartError;

/// What the kernel's TLS supports by `probe`, if it is to be used.
///
/// # Errors
/// [`StartError`] when it must be used and cannot.
pub(super) fn decide(
    config: &Config,
    probe: impl FnOnce() -> io::Result<Kernel>,
) -> Result<Option<Kernel>, StartError> {
    let must = config.kernel_tls == KernelTls::On;
    let mut offers = config.services.iter().filter_map(|service| service.tls.as_ref()).peekable();
    if offers.peek().is_none() {
        let text = "kernel_tls is On and no service has tls: give it tls, or set it to Auto";
        return if must { Err(StartError::Config(text.into())) } else { Ok(None) };
    }
    if config.kernel_tls == KernelTls::Off {
        tracing::info!("TLS in user space: kernel TLS is switched off");
        return Ok(None);
    }
    if !must && config.typical_message < KERNEL_TLS_PAYS {
        tracing::info!(
            typical_message = config.typical_message,
            "TLS in user space, which costs less below {KERNEL_TLS_PAYS} bytes a message"
        );
        return Ok(None);
    }
    let extracts = offers.all(|tls| tls.current().enable_secret_extraction);
    let probed = match extracts {
        true => probe(),
        false => Err(io::Error::other("enable_secret_extraction is off")),
    };
    match probed {
        Ok(kernel) => {
            tracing::info!(?kernel, "TLS in the kernel");
            Ok(Some(kernel))
        }
        Err(error) if must => Err(StartError::kernel_tls(error)),
        Err(error) => {
            tracing::warn!(%error, "no kernel TLS (modprobe tls): TLS in user space instead");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
