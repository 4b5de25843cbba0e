//! For the fuzz targets: a session with a mail server.

use tokio::io::join;

use super::{Conversation, Envelope, SmtpError};

/// What a client has to say.
#[derive(Debug)]
pub struct Mail<'m> {
    /// User and password.
    pub login: (&'m str, &'m str),
    /// The sender's address.
    pub from: &'m str,
    /// The receivers' addresses.
    pub to: &'m [&'m str],
    /// Headers and text.
    pub message: &'m [u8],
}

/// Sends a mail to a server that says `replies`, whatever it is asked. What is written to it goes to `written`.
///
/// # Errors
/// Why the mail was not taken.
pub async fn send(replies: &[u8], written: &mut Vec<u8>, mail: &Mail<'_>) -> Result<(), String> {
    let text = |error: SmtpError| error.to_string();
    let mut conversation = Conversation::new(join(replies, written));
    conversation.greet().await.map_err(text)?;
    let extensions = conversation.hello("client.example").await.map_err(text)?;
    let (user, password) = mail.login;
    conversation
        .log_in(&extensions, user, password)
        .await
        .map_err(text)?;
    let envelope = Envelope {
        from: mail.from,
        to: mail.to,
        message: mail.message,
    };
    let sent = conversation.send(&extensions, &envelope).await;
    sent.map(drop).map_err(text)
}

/// Asks for TLS; what the connection is given back with is not read yet.
///
/// # Errors
/// Why there is no handshake.
pub async fn starttls(replies: &[u8], written: &mut Vec<u8>) -> Result<usize, String> {
    let text = |error: SmtpError| error.to_string();
    let mut conversation = Conversation::new(join(replies, written));
    conversation.greet().await.map_err(text)?;
    let extensions = conversation.hello("client.example").await.map_err(text)?;
    let stream = conversation.starttls(&extensions).await.map_err(text)?;
    Ok(stream.reader().len())
}
