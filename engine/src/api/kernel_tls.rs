//! Whether TLS connections are handed to the kernel: decided once, when the engine starts.

use std::io;

use crate::config::{Config, KernelTls};
use crate::limits::KERNEL_TLS_PAYS;
use crate::shard::Kernel;
use crate::types::StartError;

/// What the kernel's TLS can do, if it is to be used.
///
/// # Errors
/// [`StartError`] when it must be used and cannot.
pub(super) fn decide(config: &Config) -> Result<Option<Kernel>, StartError> {
    decide_with(config, Kernel::probe)
}

fn decide_with(
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
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Service, TlsSource};

    fn config(kernel_tls: KernelTls, typical_message: usize) -> Config {
        offering(kernel_tls, typical_message, true)
    }

    fn offering(kernel_tls: KernelTls, typical_message: usize, extraction: bool) -> Config {
        let builder = rustls::ServerConfig::builder().with_no_client_auth();
        let mut tls =
            builder.with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
        tls.enable_secret_extraction = extraction;
        let tls = Some(TlsSource::new(Arc::new(tls)));
        let services = vec![Service { tls, ..Service::default() }];
        Config { services, kernel_tls, typical_message, ..Config::default() }
    }

    fn missing() -> io::Result<Kernel> {
        Err(io::Error::from_raw_os_error(libc::ENOENT))
    }

    #[test]
    fn auto_takes_the_kernel_for_large_messages_only() {
        let present = || Ok(Kernel::default());
        let decided = |size| decide_with(&config(KernelTls::Auto, size), present).unwrap();
        assert_eq!(decided(KERNEL_TLS_PAYS), Some(Kernel::default()));
        assert_eq!(decided(KERNEL_TLS_PAYS - 1), None);
        let never = config(KernelTls::Off, usize::MAX);
        assert_eq!(decide_with(&never, || unreachable!()).unwrap(), None);
        let always = config(KernelTls::On, 1);
        assert_eq!(decide_with(&always, present).unwrap(), Some(Kernel::default()));
    }

    #[test]
    fn without_it_auto_goes_on_and_on_names_the_remedy() {
        let auto = config(KernelTls::Auto, KERNEL_TLS_PAYS);
        assert_eq!(decide_with(&auto, missing).unwrap(), None);
        let refused = decide_with(&config(KernelTls::On, 1), missing).unwrap_err().to_string();
        assert!(refused.contains("modprobe tls"), "{refused}");
    }

    #[test]
    fn on_without_tls_or_without_its_keys_is_refused() {
        let plain = Config { kernel_tls: KernelTls::On, ..Config::default() };
        assert!(decide_with(&plain, missing).is_err());
        let sealed = offering(KernelTls::On, 1, false);
        let refused = decide_with(&sealed, || Ok(Kernel::default())).unwrap_err().to_string();
        assert!(refused.contains("enable_secret_extraction"), "{refused}");
    }
}
