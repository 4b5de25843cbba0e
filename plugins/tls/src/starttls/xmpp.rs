//! XMPP: an XML stream that switches to TLS.

use canary_sdk::tcp::Connection;

use super::Error;

/// Maximum bytes of a stanza.
const MAX_STANZA: u32 = 16 * 1024;
const NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-tls";

pub(super) fn upgrade(connection: &Connection, domain: &str) -> Result<(), Error> {
    let open = format!(
        "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        escape(domain),
    );
    connection.write(open.as_bytes())?;
    let features = connection.read_until(b"</stream:features>", MAX_STANZA)?;
    if !contains(&features, NAMESPACE) {
        return Err(Error::refused("the stream", "features without starttls"));
    }
    connection.write(format!("<starttls xmlns='{NAMESPACE}'/>").as_bytes())?;
    let reply = connection.read_until(b">", MAX_STANZA)?;
    if contains(&reply, "<proceed") {
        Ok(())
    } else {
        Err(Error::refused("starttls", reply))
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
