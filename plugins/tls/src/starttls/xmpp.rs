//! XMPP: an XML stream that switches to TLS.

mod element;

use canary_sdk::tcp::Connection;

use self::element::Element;
use super::error::Error;
use super::reader::Reader;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-tls";

pub(super) fn upgrade(connection: &Connection, domain: &str) -> Result<(), Error> {
    let open = format!(
        "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        escape(domain),
    );
    connection.write(open.as_bytes())?;
    let mut reader = Reader::new(connection, "the stream");
    let features = Element::read(&mut reader)?;
    if features.name() != b"features" {
        return Err(Error::quoted("the stream", features.text()));
    }
    if !contains(features.text(), NAMESPACE) {
        return Err(reader.not_offered(features.text(), "starttls"));
    }
    connection.write(format!("<starttls xmlns='{NAMESPACE}'/>").as_bytes())?;
    let answer = Element::read(&mut Reader::new(connection, "starttls"))?;
    if answer.name() == b"proceed" {
        Ok(())
    } else {
        Err(Error::quoted("starttls", answer.text()))
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('\'', "&apos;")
}
