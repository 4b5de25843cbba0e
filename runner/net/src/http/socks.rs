//! SOCKS5 proxies (RFC 1928), with optional user name and password (RFC 1929).

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use crate::carrier::Carrier;
use crate::{NetError, Phase};
use canary_record::Layer;
use canary_suite::grant::{Destination, Host};

const VERSION: u8 = 5;
/// Version of the user name and password subnegotiation (RFC 1929, section 2).
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Error replies of a proxy (RFC 1928, section 6).
const REPLIES: [&str; 8] = [
    "general failure",
    "not allowed by its rules",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "TTL expired",
    "command not supported",
    "address type not supported",
];
/// Replies that are caused by the target.
const TARGET_REPLIES: std::ops::RangeInclusive<u8> = 3..=6;

/// A connection to a proxy.
pub(super) trait Stream: AsyncRead + AsyncWrite {
    /// Excludes subsequently sent bytes from the run's conversation: unlike a header, a password cannot be masked by
    /// its name.
    fn exclude_from_transcript(&self, is_secret: bool);
}

impl Stream for Carrier {
    fn exclude_from_transcript(&self, is_secret: bool) {
        let Some(connection_log) = self.connection_log() else {
            return;
        };
        if is_secret {
            connection_log.note("sends a user name and a password");
        }
        connection_log.set_layer(if is_secret { Layer::Tls } else { Layer::Socket });
    }
}

/// Credentials for a proxy.
#[derive(Clone)]
pub(super) struct Login {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Login {
    /// # Errors
    /// One of them is empty, or exceeds the protocol's limit of 255 bytes.
    pub(super) fn new(user: Vec<u8>, password: Vec<u8>) -> Result<Self, NetError> {
        let fits = |text: &[u8]| (1..=255).contains(&text.len());
        if fits(&user) && fits(&password) {
            Ok(Self { user, password })
        } else {
            Err(NetError::Invalid(
                "proxy url: a user name and a password for SOCKS have 1 to 255 bytes each".to_owned(),
            ))
        }
    }
}

/// Why there is no connection to the target.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SocksError {
    /// The proxy could not reach the target.
    Target(NetError),
    /// The proxy itself failed.
    Proxy(NetError),
}

impl<E: Into<NetError>> From<E> for SocksError {
    fn from(error: E) -> Self {
        Self::Proxy(error.into())
    }
}

/// Requests a connection to `place` from the proxy at the other end of `stream`. The proxy resolves the name. The
/// target is not involved in the preceding negotiation: a timeout there is the proxy's failure.
pub(super) async fn connect(
    stream: &mut (impl Stream + Unpin),
    login: Option<&Login>,
    destination: &Destination,
    limit: Instant,
) -> Result<(), SocksError> {
    let request = request(destination)?;
    timeout_at(limit, authenticate(stream, login))
        .await
        .map_err(|_| NetError::Timeout(Phase::Connect))??;
    stream.write_all(&request).await?;
    let [version, reply, _reserved, kind] = read(stream).await?;
    if version != VERSION {
        return Err(not_socks().into());
    }
    if reply != 0 {
        let message = REPLIES.get(usize::from(reply).wrapping_sub(1));
        let message = message.copied().unwrap_or("unknown reason");
        let refused = NetError::Protocol(format!("the proxy refused: {message}"));
        return Err(if TARGET_REPLIES.contains(&reply) {
            SocksError::Target(refused)
        } else {
            SocksError::Proxy(refused)
        });
    }
    // The proxy's bind address is unused, but has to be read before the target's data.
    let rest = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(not_socks().into()),
    };
    let mut bound = vec![0; rest.saturating_add(2)];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

/// Negotiates an authentication method, and authenticates.
async fn authenticate(stream: &mut (impl Stream + Unpin), login: Option<&Login>) -> Result<(), SocksError> {
    let methods: &[u8] = match login {
        None => &[VERSION, 1, NO_LOGIN],
        Some(_) => &[VERSION, 2, NO_LOGIN, LOGIN],
    };
    stream.write_all(methods).await?;
    match (read(stream).await?, login) {
        ([VERSION, NO_LOGIN], _) => Ok(()),
        ([VERSION, LOGIN], Some(Login { user, password })) => {
            let mut sent = vec![LOGIN_VERSION];
            for text in [user, password] {
                sent.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
                sent.extend(text);
            }
            stream.exclude_from_transcript(true);
            stream.write_all(&sent).await?;
            stream.exclude_from_transcript(false);
            match read(stream).await? {
                [_, 0] => Ok(()),
                [_, _] => Err(refused("the user name or the password").into()),
            }
        }
        ([VERSION, _], None) => Err(refused("clients without a login").into()),
        ([VERSION, _], Some(_)) => Err(refused("user names and passwords").into()),
        _ => Err(not_socks().into()),
    }
}

fn request(destination: &Destination) -> Result<Vec<u8>, NetError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match destination.host() {
        Host::Address(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Host::Name(name) => {
            let name = destination.name_to_resolve().unwrap_or_else(|| name.clone());
            let length = u8::try_from(name.len());
            let length =
                length.map_err(|_| NetError::Invalid(format!("the name `{name}` is too long for SOCKS5")))?;
            request.extend([NAME, length]);
            request.extend(name.as_bytes());
        }
    }
    request.extend(destination.port().to_be_bytes());
    Ok(request)
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; N], NetError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn refused(what: &str) -> NetError {
    NetError::Protocol(format!("the proxy refused {what}"))
}

fn not_socks() -> NetError {
    NetError::Protocol("the proxy does not answer in SOCKS5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::destination::destination;
    use super::*;

    impl Stream for tokio::io::DuplexStream {
        fn exclude_from_transcript(&self, _is_secret: bool) {}
    }

    fn login() -> Login {
        Login::new(b"me".to_vec(), b"secret".to_vec()).unwrap()
    }

    /// The result of connecting through a proxy with these replies, what was sent to it, and its unread bytes.
    async fn connected(
        url: &str,
        login: Option<&Login>,
        answers: &[u8],
    ) -> (Result<(), SocksError>, Vec<u8>, usize) {
        let (mut near, mut far) = tokio::io::duplex(1 << 12);
        far.write_all(answers).await.unwrap();
        far.shutdown().await.unwrap();
        let limit = Instant::now() + std::time::Duration::from_mins(1);
        let destination = destination(&url.parse().unwrap()).unwrap();
        let came = connect(&mut near, login, &destination, limit).await;
        near.shutdown().await.unwrap();
        let (mut sent, mut left) = (Vec::new(), Vec::new());
        far.read_to_end(&mut sent).await.unwrap();
        near.read_to_end(&mut left).await.unwrap();
        (came, sent, left.len())
    }

    const BOUND: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    #[tokio::test]
    async fn the_proxy_is_asked_for_a_name_or_an_address_and_a_port() {
        for (url, destination) in [
            ("http://a.test/", &b"\x03\x06a.test\x00\x50"[..]),
            ("https://a.test/", b"\x03\x06a.test\x01\xbb"),
            ("http://192.0.2.1:8080/", b"\x01\xc0\x00\x02\x01\x1f\x90"),
            (
                "http://[2001:db8::1]:1/",
                b"\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x01",
            ),
        ] {
            let answers = [&[5, 0], &BOUND[..], b"TLS"].concat();
            let (came, sent, left) = connected(url, None, &answers).await;
            assert_eq!(came, Ok(()), "{url}");
            assert_eq!(sent, [&[5, 1, 0, 5, 1, 0], destination].concat(), "{url}");
            assert_eq!(left, 3, "{url}: nothing behind the answer is taken");
        }
    }

    #[tokio::test]
    async fn a_user_name_and_a_password_are_sent_where_the_proxy_wants_them() {
        let bound = [&[5, 0, 0, 3, 1, b'x', 0, 0][..]].concat();
        let answers = [&[5, 2, 1, 0], &bound[..]].concat();
        let (came, sent, _) = connected("http://a.test/", Some(&login()), &answers).await;
        assert_eq!(came, Ok(()));
        assert!(
            sent.starts_with(b"\x05\x02\x00\x02\x01\x02me\x06secret\x05\x01\x00"),
            "{sent:?}"
        );
        let (came, sent, _) =
            connected("http://a.test/", Some(&login()), &[&[5, 0], &BOUND[..]].concat()).await;
        assert_eq!(came, Ok(()));
        assert!(!sent.windows(6).any(|part| part == b"secret"));
    }

    #[tokio::test]
    async fn what_the_target_refuses_is_of_the_target_and_all_else_of_the_proxy() {
        let message = |failed| match failed {
            SocksError::Target(error) => format!("target: {error}"),
            SocksError::Proxy(error) => format!("proxy: {error}"),
        };
        for (login, answers, expected) in [
            (
                None,
                &b"\x05\x00\x05\x05\x00\x01"[..],
                "target: protocol: the proxy refused: connection refused",
            ),
            (
                None,
                b"\x05\x00\x05\x04\x00\x01",
                "target: protocol: the proxy refused: host unreachable",
            ),
            (
                None,
                b"\x05\x00\x05\x02\x00\x01",
                "proxy: protocol: the proxy refused: not allowed by its rules",
            ),
            (
                None,
                b"\x05\x00\x05\xff\x00\x01",
                "proxy: protocol: the proxy refused: unknown reason",
            ),
            (
                None,
                b"\x05\xff",
                "proxy: protocol: the proxy refused clients without a login",
            ),
            (
                Some(login()),
                b"\x05\xff",
                "proxy: protocol: the proxy refused user names and passwords",
            ),
            (
                Some(login()),
                b"\x05\x02\x01\x01",
                "proxy: protocol: the proxy refused the user name or the password",
            ),
            (
                None,
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                "proxy: protocol: the proxy does not answer in SOCKS5",
            ),
            (
                None,
                b"\x05\x00\x05\x00\x00\x09",
                "proxy: protocol: the proxy does not answer in SOCKS5",
            ),
            (None, b"\x05", "proxy: closed by the peer"),
        ] {
            let (came, ..) = connected("http://a.test/", login.as_ref(), answers).await;
            assert_eq!(message(came.unwrap_err()), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_says_nothing_is_to_blame_until_it_is_asked_for_the_target() {
        for (answers, is_of_proxy) in [(&b""[..], true), (b"\x05\x00", false)] {
            let (mut near, mut far) = tokio::io::duplex(1 << 12);
            far.write_all(answers).await.unwrap();
            let limit = Instant::now() + std::time::Duration::from_secs(1);
            let destination = destination(&"http://a.test/".parse().unwrap()).unwrap();
            let later = limit + std::time::Duration::from_secs(1);
            let came = timeout_at(later, connect(&mut near, None, &destination, limit)).await;
            let timed_out = Ok(Err(SocksError::Proxy(NetError::Timeout(Phase::Connect))));
            assert_eq!(came == timed_out, is_of_proxy, "{came:?}");
        }
    }

    #[test]
    fn a_login_that_does_not_fit_the_protocol_is_refused() {
        for (user, password) in [(0, 1), (1, 0), (256, 1), (1, 256)] {
            assert!(Login::new(vec![b'x'; user], vec![b'x'; password]).is_err());
        }
    }
}
