//! Approximate memory retained by a session, in bytes.

use super::{Certificate, TlsSession};

/// Minimum size of a heap allocation for a text.
const MIN_ALLOCATION: usize = 32;

impl TlsSession {
    /// Retained memory in bytes.
    pub(crate) fn weight(&self) -> usize {
        let chains = self.chain.iter().chain(self.verified_chain.iter().flatten());
        let staple = self.ocsp_staple.as_ref().map_or(0, Vec::len);
        chains.map(Certificate::weight).sum::<usize>() + staple
    }
}

impl Certificate {
    fn weight(&self) -> usize {
        let texts = [&self.subject, &self.issuer, &self.serial, &self.public_key];
        let texts = texts
            .into_iter()
            .chain([&self.signature_algorithm, &self.fingerprint]);
        let names = self.dns_names.iter().chain(&self.ip_addresses);
        let names = names.map(|name| size_of::<String>() + MIN_ALLOCATION.max(name.len()));
        size_of::<Self>() + self.der.len() + texts.map(String::len).sum::<usize>() + names.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_short_names_weigh_more_than_their_letters() {
        let certificate = Certificate {
            der: vec![0; 6_000],
            dns_names: vec!["a".to_owned(); 1_000],
            ..Certificate::default()
        };
        let weight = certificate.weight();
        assert!((50_000..100_000).contains(&weight), "{weight}");
    }
}
