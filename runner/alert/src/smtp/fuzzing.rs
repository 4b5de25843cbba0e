//! For the fuzz targets: a session with an SMTP server.

use tokio::io::join;

use super::{Envelope, SmtpConnection, SmtpError};

/// A mail to send.
#[derive(Debug)]
pub struct Mail<'m> {
    /// User and password.
    pub login: (&'m str, &'m str),
    /// The sender's address.
    pub from: &'m str,
    /// The recipients' addresses.
    pub to: &'m [&'m str],
    /// Headers and body.
    pub message: &'m [u8],
}

/// Sends a mail to a server that sends `replies` regardless of the commands. What is written to it goes to `written`.
///
/// # Errors
/// Why the mail was not accepted.
pub async fn send(replies: &[u8], written: &mut Vec<u8>, mail: &Mail<'_>) -> Result<(), String> {
    let text = |error: SmtpError| error.to_string();
    let mut connection = SmtpConnection::new(join(replies, written));
    connection.greet().await.map_err(text)?;
    let extensions = connection.hello("client.example").await.map_err(text)?;
    let (user, password) = mail.login;
    connection
        .log_in(&extensions, user, password)
        .await
        .map_err(text)?;
    let envelope = Envelope {
        from: mail.from,
        to: mail.to,
        message: mail.message,
    };
    let sent = connection.send(&extensions, &envelope).await;
    sent.map(drop).map_err(text)
}

/// Starts TLS. Returns how many bytes of `replies` are left for the handshake.
///
/// # Errors
/// Why `STARTTLS` failed.
pub async fn starttls(replies: &[u8], written: &mut Vec<u8>) -> Result<usize, String> {
    let text = |error: SmtpError| error.to_string();
    let mut connection = SmtpConnection::new(join(replies, written));
    connection.greet().await.map_err(text)?;
    let extensions = connection.hello("client.example").await.map_err(text)?;
    let stream = connection.starttls(&extensions).await.map_err(text)?;
    Ok(stream.reader().len())
}
