//! The automatic certificate, kept between starts so that clients can keep trusting it.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::cert_key_pair::CertKeyPair;
use crate::config::Files;
use crate::limits::{AUTO_CERT_LIFE, AUTO_CERT_MARGIN};
use crate::read_files::{check_writable, problem};
use crate::settings::Problem;
use crate::settings::value::CertKey;

/// Certificate and key within their directory.
pub(crate) const AUTO_FILES: [&str; 2] = ["auto-cert.pem", "auto-key.pem"];

/// Held within the directory while its files are read and made.
const LOCK: &str = "lock";

/// Reuses the certificate in `dir` while it is valid for long enough, else makes one.
pub(super) fn load(dir: &Path, names: &[String]) -> Result<CertKeyPair, Problem> {
    let fail = |error| unusable(dir, &error);
    fs::create_dir_all(dir).map_err(fail)?;
    // Two servers that start at once must not mix their files.
    let lock = File::options().create(true).append(true).open(dir.join(LOCK)).map_err(fail)?;
    lock.lock().map_err(fail)?;
    let [cert, key] = AUTO_FILES.map(|name| dir.join(name));
    let pair = CertKey { cert: cert.clone(), key: key.clone() };
    let files = Files { settings: ["auto_cert"; 2], pair };
    let mut pair = match reusable(&files, names) {
        Ok(pair) => pair,
        Err(why) => {
            tracing::info!("making a certificate: {why}");
            let (cert_pem, key_pem) = make(names).map_err(|error| {
                let reason = format!("a certificate cannot be made: {error}");
                problem("auto_cert", dir, reason, "Name a certificate with cert_file and key_file.")
            })?;
            write(&key, &key_pem, 0o600).map_err(fail)?;
            write(&cert, &cert_pem, 0o644).map_err(fail)?;
            CertKeyPair::read(&files)?
        }
    };
    pair.served.automatic = true;
    Ok(pair)
}

/// Checks that `dir` can be used, or made, without making anything.
pub(super) fn check(dir: &Path) -> Result<(), Problem> {
    let usable = match File::options().append(true).open(dir.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let there = dir.ancestors().find(|dir| dir.as_os_str().is_empty() || dir.exists());
            check_writable(there.unwrap_or(dir))
        }
        opened => opened.map(drop),
    };
    usable.map_err(|error| unusable(dir, &error))
}

fn unusable(dir: &Path, error: &io::Error) -> Problem {
    let remedy = "Name a directory that the server's user can write to.";
    problem("cert_dir", dir, format!("cannot be used: {error}"), remedy)
}

/// The kept certificate, or why it is not to be used.
fn reusable(files: &Files, names: &[String]) -> Result<CertKeyPair, String> {
    let key = &files.pair.key;
    let mode = fs::metadata(key).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is none yet".to_owned(),
        _ => format!("{}: {error}", key.display()),
    })?;
    let mode = mode.permissions().mode() & 0o777;
    if mode != 0o600 {
        return Err(format!("{} has mode {mode:04o}, others may know it", key.display()));
    }
    let pair = CertKeyPair::read(files).map_err(|p| p.to_string())?;
    if pair.served.seconds_left() < AUTO_CERT_MARGIN.as_secs().cast_signed() {
        return Err("the kept one ends within 30 days".into());
    }
    let valid_for: BTreeSet<&String> = pair.names.iter().collect();
    if valid_for != names.iter().collect() || names.first() != Some(&pair.served.name) {
        return Err("the kept one is for other names".into());
    }
    Ok(pair)
}

fn make(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.to_vec())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    params.distinguished_name = subject;
    let now = SystemTime::now();
    params.not_before = now.into();
    params.not_after = (now + AUTO_CERT_LIFE).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes beside and renames, so that no reader sees half a file.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
