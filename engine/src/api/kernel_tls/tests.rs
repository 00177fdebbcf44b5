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
    let decided = |size| decide(&config(KernelTls::Auto, size), present).unwrap();
    assert_eq!(decided(KERNEL_TLS_PAYS), Some(Kernel::default()));
    assert_eq!(decided(KERNEL_TLS_PAYS - 1), None);
    let never = config(KernelTls::Off, usize::MAX);
    assert_eq!(decide(&never, || unreachable!()).unwrap(), None);
    let always = config(KernelTls::On, 1);
    assert_eq!(decide(&always, present).unwrap(), Some(Kernel::default()));
}

#[test]
fn without_it_auto_goes_on_and_on_names_the_remedy() {
    let auto = config(KernelTls::Auto, KERNEL_TLS_PAYS);
    assert_eq!(decide(&auto, missing).unwrap(), None);
    let refused = decide(&config(KernelTls::On, 1), missing).unwrap_err().to_string();
    assert!(refused.contains("modprobe tls"), "{refused}");
}

#[test]
fn on_without_tls_or_without_its_keys_is_refused() {
    let plain = Config { kernel_tls: KernelTls::On, ..Config::default() };
    assert!(decide(&plain, missing).is_err());
    let sealed = offering(KernelTls::On, 1, false);
    let refused = decide(&sealed, || Ok(Kernel::default())).unwrap_err().to_string();
    assert!(refused.contains("enable_secret_extraction"), "{refused}");
}
