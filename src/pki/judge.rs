//! Whether what lies on the disk may stay in use.

use jiff::Timestamp;
use rcgen::PublicKeyData;
use x509_parser::certificate::X509Certificate;

use crate::pki::issue::address;
use crate::pki::{CertInfo, Misfit, Pair, PkiError, RENEW_BEFORE, pem, read};

/// Whether a client or server pair still serves: signed by this CA, its key beside it, in time, and covering the names
/// that are wanted. More names than wanted do no harm.
pub fn fits(pair: &Pair, ca_pem: &str, wanted_names: &[String], now: Timestamp) -> Result<(), Misfit> {
    let der = pem::certificate(&pair.cert)?;
    let cert = read::parse(&der)?;
    own_key(pair, &cert)?;
    signed_by(&cert, ca_pem)?;
    let info = read::info(&cert)?;
    in_time(&info, now)?;
    if info.not_after.duration_since(now) < RENEW_BEFORE {
        return Err(Misfit::Ending(info.not_after));
    }
    covers(&info, wanted_names)
}

/// Whether a CA can sign, and what it signed still counts.
///
/// Its end is not called near: a new CA makes every machine unreachable until it is provisioned again, so an old one
/// serves to its last day.
pub fn ca_usable(pair: &Pair, now: Timestamp) -> Result<(), Misfit> {
    let der = pem::certificate(&pair.cert)?;
    let cert = read::parse(&der)?;
    own_key(pair, &cert)?;
    let usage = cert.key_usage().ok().flatten();
    if !cert.is_ca() || usage.is_some_and(|u| !u.value.key_cert_sign()) {
        return Err(Misfit::NotACa);
    }
    in_time(&read::info(&cert)?, now)
}

fn own_key(pair: &Pair, cert: &X509Certificate<'_>) -> Result<(), Misfit> {
    let key = pem::key_pair(&pair.key)?;
    let same = key.der_bytes() == cert.public_key().subject_public_key.data.as_ref();
    if same { Ok(()) } else { Err(Misfit::OtherKey) }
}

fn signed_by(cert: &X509Certificate<'_>, ca_pem: &str) -> Result<(), Misfit> {
    let der = pem::certificate(ca_pem)?;
    let ca = read::parse(&der)?;
    let by_name = cert.issuer().as_raw() == ca.subject().as_raw();
    let by_key = cert.verify_signature(Some(ca.public_key())).is_ok();
    if by_name && by_key { Ok(()) } else { Err(Misfit::OtherCa) }
}

fn in_time(info: &CertInfo, now: Timestamp) -> Result<(), Misfit> {
    if now < info.not_before {
        return Err(Misfit::NotYet(info.not_before));
    }
    if now >= info.not_after {
        return Err(Misfit::Expired(info.not_after));
    }
    Ok(())
}

fn covers(info: &CertInfo, wanted: &[String]) -> Result<(), Misfit> {
    let missing: Vec<String> =
        wanted.iter().filter(|w| !info.names.iter().any(|n| same_name(n, w))).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(Misfit::MissingNames(missing)) }
}

fn same_name(a: &str, b: &str) -> bool {
    match (address(a), address(b)) {
        (None, None) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

impl From<PkiError> for Misfit {
    fn from(error: PkiError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use jiff::SignedDuration;
    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::pki::{HEAD_START, VALID, client, new_ca, server};

    const NOW: Timestamp = Timestamp::constant(1_800_000_030, 0);
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    static CA: LazyLock<Pair> = LazyLock::new(|| new_ca("ann", NOW).unwrap());
    static OTHER: LazyLock<Pair> = LazyLock::new(|| new_ca("ann", NOW).unwrap());
    static SERVER: LazyLock<Pair> =
        LazyLock::new(|| server(&CA, "ann.node1", &names(&["10.0.0.5", "localhost"]), false, NOW).unwrap());

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    fn pem_of(name: &str) -> String {
        let text = match name {
            "ca-ec-sec1" => include_str!("../../tests/fixtures/pki/ca-ec-sec1.pem"),
            "ca-rsa-pkcs8" => include_str!("../../tests/fixtures/pki/ca-rsa-pkcs8.pem"),
            _ => include_str!("../../tests/fixtures/pki/ca-rsa-pkcs1.pem"),
        };
        text.to_owned()
    }

    #[test]
    fn a_server_says_what_it_was_made_for() {
        let info = read(&SERVER.cert).unwrap();
        let begin = Timestamp::from_second(1_800_000_030 / 60 * 60).unwrap() - HEAD_START;
        assert_eq!(info.organization, "ann.node1");
        assert_eq!(info.not_before, begin);
        assert_eq!(info.not_after, begin + VALID);
        assert_eq!(info.names, ["10.0.0.5", "localhost"]);
        assert_eq!((info.is_ca, info.server_auth, info.client_auth), (false, true, false));
    }

    #[test]
    fn kinds_differ_in_their_use() {
        let client = read(&client(&CA, "ann.<bootstrap>", NOW).unwrap().cert).unwrap();
        assert_eq!(client.organization, "ann.<bootstrap>");
        assert_eq!((client.is_ca, client.server_auth, client.client_auth), (false, false, true));
        let master = read(&server(&CA, "m", &[], true, NOW).unwrap().cert).unwrap();
        assert_eq!((master.is_ca, master.server_auth, master.client_auth), (false, true, true));
        assert!(read(&CA.cert).unwrap().is_ca);
    }

    #[test]
    fn keys_that_clients_read_are_pkcs1() {
        let client = client(&CA, "ann.<bootstrap>", NOW).unwrap();
        for (pair, label) in
            [(&*CA, "RSA PRIVATE KEY"), (&client, "RSA PRIVATE KEY"), (&*SERVER, "PRIVATE KEY")]
        {
            assert!(pair.key.expose_secret().starts_with(&format!("-----BEGIN {label}-----\n")));
            assert!(!format!("{pair:?}").contains("PRIVATE"), "a key shows in debug output");
        }
    }

    #[test]
    fn serials_are_random_and_at_most_128_bits() {
        let serial = |p: &Pair| read::parse(&pem::certificate(&p.cert).unwrap()).unwrap().serial.clone();
        assert_ne!(serial(&CA), serial(&OTHER));
        assert!(serial(&CA).bits() <= 128);
    }

    #[test]
    fn a_fitting_pair_stays() {
        assert_eq!(fits(&SERVER, &CA.cert, &names(&["LOCALHOST", "10.0.0.5"]), NOW), Ok(()));
        assert_eq!(fits(&SERVER, &CA.cert, &[], NOW), Ok(()));
    }

    #[test]
    fn dates_decide() {
        let end = read(&SERVER.cert).unwrap().not_after;
        let at = |now| fits(&SERVER, &CA.cert, &[], now);
        assert_eq!(at(end - DAY * 30), Ok(()));
        assert_eq!(at(end - DAY * 30 + SignedDuration::from_secs(1)), Err(Misfit::Ending(end)));
        assert_eq!(at(end), Err(Misfit::Expired(end)));
        let begin = read(&SERVER.cert).unwrap().not_before;
        assert_eq!(at(begin), Ok(()));
        assert_eq!(at(begin - DAY), Err(Misfit::NotYet(begin)));
    }

    #[test]
    fn other_keys_cas_and_names_are_found() {
        let mixed = Pair { cert: SERVER.cert.clone(), key: CA.key.clone() };
        assert_eq!(fits(&mixed, &CA.cert, &[], NOW), Err(Misfit::OtherKey));
        assert_eq!(fits(&SERVER, &OTHER.cert, &[], NOW), Err(Misfit::OtherCa), "same subject, other key");
        let wanted = names(&["localhost", "node1", "10.0.0.6"]);
        let missing = fits(&SERVER, &CA.cert, &wanted, NOW);
        assert_eq!(missing, Err(Misfit::MissingNames(names(&["node1", "10.0.0.6"]))));
        let text = missing.unwrap_err().to_string();
        assert_eq!(text, "the certificate does not cover node1, 10.0.0.6");
    }

    #[test]
    fn addresses_are_the_same_however_they_are_written() {
        let pair = server(&CA, "o", &names(&["2001:db8:0:0::1"]), false, NOW).unwrap();
        assert_eq!(fits(&pair, &CA.cert, &names(&["[2001:DB8::1]"]), NOW), Ok(()));
    }

    #[test]
    fn a_ca_serves_to_its_last_day() {
        let end = read(&CA.cert).unwrap().not_after;
        assert_eq!(ca_usable(&CA, NOW), Ok(()));
        assert_eq!(ca_usable(&CA, end - DAY), Ok(()));
        assert_eq!(ca_usable(&CA, end), Err(Misfit::Expired(end)));
        assert_eq!(ca_usable(&SERVER, NOW), Err(Misfit::NotACa));
        let mixed = Pair { cert: CA.cert.clone(), key: OTHER.key.clone() };
        assert_eq!(ca_usable(&mixed, NOW), Err(Misfit::OtherKey));
    }

    #[test]
    fn cas_that_others_made_can_sign() {
        for name in ["ca-rsa-pkcs1", "ca-rsa-pkcs8", "ca-ec-sec1"] {
            let text = pem_of(name);
            let ca = Pair { cert: text.clone(), key: SecretString::from(text) };
            assert_eq!(ca_usable(&ca, NOW), Ok(()), "{name}");
            let pair = server(&ca, "o", &names(&["h"]), false, NOW).unwrap();
            assert_eq!(fits(&pair, &ca.cert, &names(&["h"]), NOW), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_misfit() {
        let broken = Pair { cert: "no pem".into(), key: CA.key.clone() };
        assert!(matches!(fits(&broken, &CA.cert, &[], NOW), Err(Misfit::Unreadable(_))));
        assert!(matches!(ca_usable(&broken, NOW), Err(Misfit::Unreadable(_))));
        let truncated = Pair { cert: CA.cert[..300].to_owned(), key: CA.key.clone() };
        assert!(matches!(ca_usable(&truncated, NOW), Err(Misfit::Unreadable(_))));
        assert!(matches!(fits(&SERVER, "", &[], NOW), Err(Misfit::Unreadable(_))));
    }
}
