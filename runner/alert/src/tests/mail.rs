//! Mail to servers that accept it, and to others.

use std::time::{Duration, SystemTime};

use canary_tests::certificate::Authority;
use canary_tests::peer::{Hostile, Peer};
use canary_tests::receiver::smtp::{MailServer, Protection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::delivery::{notifier, outcome, run, send_test_to};
use crate::delivery_result::DeliveryResult;
use crate::notifier::{Notifier, Recipients};
use crate::sample_notification::sample;
use crate::test_notification::TestNotification;
use canary_net::ledger::audit::InternalFds;

fn mail(port: u16, more: &str) -> Notifier {
    notifier(&format!(
        "type: email, host: 127.0.0.1, port: {port}, from: canary@example.com, to: [a@example.com, b@example.com]{more}"
    ))
}

#[test]
fn mail_goes_over_starttls_with_a_login() {
    run(async {
        let authority = Authority::new("Test Root");
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let leaf = authority.leaf(&["127.0.0.1"]).issue();
        let server = MailServer::start(Protection::Starttls(leaf.server_config()));
        let ca = format!(", ca: {}", ca.display());
        let login = format!("{ca}, user: me, password: '${{env:SECRET}}'");
        assert!(send_test_to(&mail(server.port(), &login)).await.is_delivered());
        let mails = server.mails();
        let [first, second] = mails.as_slice() else {
            panic!("{mails:?}");
        };
        assert!(first.is_protected);
        assert_eq!(first.login, Some(("me".to_owned(), "s3cr3t-k3y".to_owned())));
        assert_eq!(first.from, "canary@example.com");
        assert_eq!(first.to, ["a@example.com", "b@example.com"]);
        let header = |mail: &str, name: &str| {
            let line = mail.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let id = header(&first.data, "Message-ID:");
        assert!(id.is_some());
        assert_eq!(header(&second.data, "References:"), id);
        let doubting = send_test_to(&mail(server.port(), "")).await.firing;
        assert_eq!(outcome(&doubting), "tls later", "{doubting:?}");
    });
}

#[test]
fn mail_goes_over_tls_from_the_first_byte() {
    run(async {
        let authority = Authority::new("Test Root");
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let leaf = authority.leaf(&["127.0.0.1"]).issue();
        let server = MailServer::start(Protection::Implicit(leaf.server_config()));
        let more = format!(", tls: implicit, ca: {}", ca.display());
        assert!(send_test_to(&mail(server.port(), &more)).await.is_delivered());
        assert!(server.mails().iter().all(|mail| mail.is_protected));
    });
}

#[test]
fn a_server_without_starttls_gets_neither_mail_nor_password() {
    run(async {
        let server = MailServer::start(Protection::None);
        let login = ", user: me, password: '${env:SECRET}'";
        let answer = send_test_to(&mail(server.port(), login)).await.firing;
        assert!(!matches!(answer, DeliveryResult::Sent), "{answer:?}");
        assert!(server.mails().is_empty());
        assert!(
            send_test_to(&mail(server.port(), ", tls: none"))
                .await
                .is_delivered()
        );
    });
}

#[test]
fn what_a_mail_server_says_decides_what_becomes_of_the_mail() {
    run(async {
        let server = MailServer::start(Protection::None);
        let notifier = mail(
            server.port(),
            ", tls: none, user: me, password: '${env:SECRET}', timeout: 2s",
        );
        for (command, reply, expected) in [
            ("EHLO", "550 your address is on a list", "smtp_550 held"),
            ("EHLO", "421 too many connections", "smtp_421 later"),
            ("MAIL", "550 daily sending quota exceeded", "smtp_550 held"),
            ("RCPT", "550 no such user", "smtp_550 held"),
            ("RCPT", "450 greylisted", "smtp_450 later"),
            ("AUTH", "535 wrong password", "smtp_535 held"),
            ("DATA", "554 looks like spam", "smtp_554 refused"),
            ("DATA", "552 too much", "smtp_552 rejected"),
            ("MAIL", "421 going down", "smtp_421 later"),
            ("EHLO", "what?", "garbage later"),
        ] {
            server.override_reply(Some((command, reply)));
            let answer = send_test_to(&notifier).await.firing;
            assert_eq!(outcome(&answer), expected, "{answer:?}");
        }
        server.override_reply(None);
        assert!(send_test_to(&notifier).await.is_delivered());
    });
}

#[test]
fn a_greeting_that_sends_everybody_away_costs_no_mail() {
    run(async {
        for (greeting, expected) in [
            ("554 no SMTP service here\r\n", "smtp_554 held"),
            ("521 this host takes no mail\r\n", "smtp_521 held"),
            ("421 come back later\r\n", "smtp_421 later"),
        ] {
            let peer = Peer::tcp(move |mut wire| async move {
                wire.write_all(greeting.as_bytes()).await?;
                wire.read_to_end(&mut Vec::new()).await.map(drop)
            });
            let answer = send_test_to(&mail(peer.address().port(), ", tls: none"))
                .await
                .firing;
            assert_eq!(outcome(&answer), expected, "{answer:?}");
        }
    });
}

#[test]
fn a_receiver_that_is_gone_keeps_the_mail_from_no_other() {
    run(async {
        let server = MailServer::start(Protection::None);
        server.refuse("a@example.com", "550 5.1.1 no such user");
        let TestNotification { firing, resolved } = send_test_to(&mail(server.port(), ", tls: none")).await;
        assert_eq!(outcome(&firing), "smtp_550 partly");
        assert_eq!(
            firing.failure().unwrap().message,
            "the mail server rejected a@example.com (550 5.1.1 no such user)"
        );
        assert_eq!(outcome(&resolved.unwrap()), "smtp_550 partly");
        let receivers = server.mails().into_iter().map(|mail| mail.to);
        assert_eq!(
            receivers.collect::<Vec<_>>(),
            [["b@example.com"], ["b@example.com"]]
        );
        server.refuse("b@example.com", "452 mailbox full");
        let none = send_test_to(&mail(server.port(), ", tls: none")).await.firing;
        assert_eq!(outcome(&none), "smtp_452 later", "one of them may take it later");
    });
}

#[test]
fn a_receiver_that_is_refused_for_now_gets_its_mail_alone_and_later() {
    run(async {
        let server = MailServer::start(Protection::None);
        server.refuse("a@example.com", "450 4.2.0 greylisted");
        let notifier = mail(server.port(), ", tls: none");
        let (notification, internal_fds) = (sample(SystemTime::now()), InternalFds::default());
        let answer = notifier.send(&notification, None, &internal_fds).await;
        let DeliveryResult::PartlySent(_, unreached) = answer else {
            panic!("{answer:?}");
        };
        let rest: Vec<_> = unreached.iter().map(|one| one.recipient.clone()).collect();
        assert!(
            rest == ["a@example.com"] && unreached[0].is_temporary,
            "{unreached:?}"
        );
        let rest = Recipients {
            only: &rest,
            except: &[],
        };
        let again = notifier.send_to(rest, &notification, None, &internal_fds).await;
        assert_eq!(outcome(&again), "smtp_450 partly for now");
        server.refuse("a@example.com", "550 no such user after all");
        let refused = notifier.send_to(rest, &notification, None, &internal_fds).await;
        assert_eq!(outcome(&refused), "smtp_550 partly", "it is given up");
        server.refuse("a@example.com", "500 what?");
        let refused = notifier.send_to(rest, &notification, None, &internal_fds).await;
        assert_eq!(outcome(&refused), "smtp_500 partly");
        server.accept_all();
        let taken = notifier.send_to(rest, &notification, None, &internal_fds).await;
        assert_eq!(outcome(&taken), "delivered");
        let mails = server.mails();
        let receivers: Vec<_> = mails.iter().map(|mail| mail.to.clone()).collect();
        assert_eq!(receivers, [["b@example.com"], ["a@example.com"]]);
        let id = |mail: &str| {
            mail.lines()
                .find(|line| line.starts_with("Message-ID:"))
                .map(str::to_owned)
        };
        assert_eq!(id(&mails[0].data), id(&mails[1].data));
    });
}

#[test]
fn a_silent_mail_server_holds_its_notifier_for_no_longer_than_its_time_out() {
    run(async {
        for hostile in [
            Hostile::Silent,
            Hostile::NeverReads,
            Hostile::EndlessLine,
            Hostile::ClosesAtOnce,
        ] {
            let peer = hostile.start();
            let notifier = mail(peer.address().port(), ", tls: none, timeout: 300ms");
            let work = send_test_to(&notifier);
            let answer = tokio::time::timeout(Duration::from_secs(60), work)
                .await
                .unwrap()
                .firing;
            assert!(
                matches!(answer, DeliveryResult::Retry(..)),
                "{}: {answer:?}",
                hostile.name()
            );
            if matches!(hostile, Hostile::Silent | Hostile::NeverReads) {
                assert_eq!(answer.failure().unwrap().message, "no response within 300ms");
            }
        }
    });
}

#[test]
fn a_mail_server_that_talks_without_end_is_left_at_once() {
    run(async {
        let greetings: [(&[u8], &[u8]); 4] = [
            (b"220 ", &[b'x'; 4096]),
            (b"", b"220-more of it\r\n"),
            (b"220 ok\r\n250-", &[b'x'; 4096]),
            (b"", &[0; 4096]),
        ];
        for (begin, rest) in greetings {
            let peer = Peer::tcp(move |mut wire| async move {
                wire.write_all(begin).await?;
                loop {
                    wire.write_all(rest).await?;
                }
            });
            let more = ", tls: none, timeout: 60s";
            let answer = send_test_to(&mail(peer.address().port(), more)).await.firing;
            assert_eq!(outcome(&answer), "garbage later", "{answer:?}");
        }
    });
}

#[test]
fn what_a_mail_server_sends_ahead_of_tls_is_not_believed() {
    run(async {
        let peer = Peer::tcp(|mut wire| async move {
            let mut asked = [0; 1024];
            wire.write_all(b"220 mail.test\r\n").await?;
            let _hello = wire.read(&mut asked).await?;
            wire.write_all(b"250-mail.test\r\n250 STARTTLS\r\n").await?;
            let _starttls = wire.read(&mut asked).await?;
            wire.write_all(b"220 go ahead\r\n250 injected\r\n").await?;
            wire.read(&mut asked).await.map(drop)
        });
        let answer = send_test_to(&mail(peer.address().port(), "")).await.firing;
        assert_eq!(outcome(&answer), "garbage later", "{answer:?}");
    });
}

#[test]
fn mail_for_some_of_its_receivers_goes_to_them_and_for_none_that_are_left_to_nobody() {
    run(async {
        let server = MailServer::start(Protection::None);
        let notifier = mail(server.port(), ", tls: none");
        let (notification, internal_fds) = (sample(SystemTime::now()), InternalFds::default());
        for (only, mails) in [(["a@example.com", "b@example.com"], 1), (["x@example.com"; 2], 1)] {
            let only = only.map(str::to_owned);
            let recipients = Recipients {
                only: &only,
                except: &[],
            };
            let answer = notifier
                .send_to(recipients, &notification, None, &internal_fds)
                .await;
            assert_eq!(outcome(&answer), "delivered");
            assert_eq!(server.mails().len(), mails);
        }
        assert_eq!(server.mails()[0].to, ["a@example.com", "b@example.com"]);
    });
}
