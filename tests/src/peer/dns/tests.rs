use std::time::Duration;

use hickory_proto::op::{MessageType, OpCode};
use tokio::net::TcpStream;
use tokio::time;

use super::*;

const SOON: Duration = Duration::from_secs(60);

fn question(name: &str, kind: RecordType) -> Message {
    let mut question = Message::new(4711, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(parse(name), kind));
    question
}

/// Queries over UDP and returns the bytes of the answer.
async fn ask_raw(server: &NameServer, name: &str, kind: RecordType) -> Vec<u8> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket
        .send_to(&question(name, kind).to_vec().unwrap(), server.address())
        .await
        .unwrap();
    let mut bytes = [0; 4096];
    let (length, from) = time::timeout(SOON, socket.recv_from(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(from, server.address());
    bytes[..length].to_vec()
}

async fn ask(server: &NameServer, name: &str, kind: RecordType) -> Message {
    Message::from_vec(&ask_raw(server, name, kind).await).unwrap()
}

async fn ask_over_tcp(server: &NameServer, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let bytes = question(name, kind).to_vec().unwrap();
    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut reply = vec![
        0;
        time::timeout(SOON, stream.read_u16())
            .await
            .unwrap()
            .unwrap()
            .into()
    ];
    stream.read_exact(&mut reply).await.unwrap();
    Message::from_vec(&reply).unwrap()
}

fn data(message: &Message) -> Vec<String> {
    message
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect()
}

fn zone() -> Zone {
    Zone::new()
        .address("web.test", [192, 0, 2, 1])
        .address("web.test", [192, 0, 2, 2])
        .address("web.test", Ipv4Addr::LOCALHOST.to_ipv6_mapped())
        .cname("www.test", "web.test")
        .cname("round.test", "round.test")
        .mx("test", 10, "mail.test")
        .txt("test", "v=spf1 -all")
}

#[tokio::test]
async fn records_are_answered_by_name_and_type() {
    let server = zone().start();
    assert_eq!(
        data(&ask(&server, "web.test", RecordType::A).await),
        ["192.0.2.1", "192.0.2.2"]
    );
    assert_eq!(
        data(&ask(&server, "WEB.test.", RecordType::AAAA).await),
        ["::ffff:127.0.0.1"]
    );
    assert_eq!(
        data(&ask(&server, "test", RecordType::MX).await),
        ["10 mail.test."]
    );
    assert_eq!(
        data(&ask(&server, "test", RecordType::TXT).await),
        ["v=spf1 -all"]
    );
    assert_eq!(
        data(&ask(&server, "www.test", RecordType::CNAME).await),
        ["web.test."]
    );
    assert_eq!(
        data(&ask(&server, "www.test", RecordType::A).await),
        ["web.test.", "192.0.2.1", "192.0.2.2"]
    );
    assert_eq!(
        ask(&server, "round.test", RecordType::A).await.answers.len(),
        ALIASES_LIMIT
    );
}

#[tokio::test]
async fn an_answer_repeats_the_id_and_the_question() {
    let server = zone().start();
    let reply = ask(&server, "web.test", RecordType::A).await;
    assert_eq!(
        (reply.metadata.id, reply.metadata.message_type),
        (4711, MessageType::Response)
    );
    assert_eq!(reply.queries, question("web.test", RecordType::A).queries);
}

#[tokio::test]
async fn missing_names_and_missing_types_are_told_apart() {
    let server = zone()
        .behaviour("web.test", Behaviour::NoSuchName)
        .behaviour("test", Behaviour::Fails)
        .start();
    for (name, code) in [
        ("nowhere.test", ResponseCode::NXDomain),
        ("web.test", ResponseCode::NXDomain),
        ("test", ResponseCode::ServFail),
        ("www.test", ResponseCode::NoError),
    ] {
        assert_eq!(
            ask(&server, name, RecordType::SRV).await.metadata.response_code,
            code,
            "{name}"
        );
    }
}

#[tokio::test]
async fn questions_are_counted_over_both_transports() {
    let server = zone().start();
    ask(&server, "Web.Test", RecordType::A).await;
    assert_eq!(
        data(&ask_over_tcp(&server, "web.test", RecordType::A).await).len(),
        2
    );
    ask(&server, "test", RecordType::MX).await;
    assert_eq!((server.asked("web.test"), server.questions().len()), (2, 3));
    let last = Question {
        name: "web.test".into(),
        kind: RecordType::A,
        over_tcp: true,
        edns: false,
    };
    assert_eq!(server.questions()[1], last);
}

#[tokio::test]
async fn a_silent_server_counts_and_says_nothing() {
    let server = Zone::new().default_behaviour(Behaviour::Silent).start();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let bytes = question("web.test", RecordType::A).to_vec().unwrap();
    socket.send_to(&bytes, server.address()).await.unwrap();
    let counted = async {
        while server.asked("web.test") == 0 {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(SOON, counted).await.unwrap();
    time::pause();
    assert!(time::timeout(SOON, socket.recv(&mut [0; 512])).await.is_err());
    assert_eq!(server.asked("web.test"), 1);
}

#[tokio::test]
async fn a_truncated_answer_is_whole_over_tcp() {
    let server = zone().behaviour("web.test", Behaviour::Truncates).start();
    let reply = ask(&server, "web.test", RecordType::A).await;
    assert_eq!((reply.metadata.truncation, reply.answers.len()), (true, 0));
    let reply = ask_over_tcp(&server, "web.test", RecordType::A).await;
    assert_eq!((reply.metadata.truncation, reply.answers.len()), (false, 2));
}

#[tokio::test]
async fn forged_answers_are_wrong_in_one_way_each() {
    let server = Zone::new()
        .behaviour("id.test", Behaviour::WrongId)
        .behaviour("question.test", Behaviour::WrongQuestion)
        .behaviour("bytes.test", Behaviour::Garbage)
        .start();
    let reply = ask(&server, "id.test", RecordType::A).await;
    assert_eq!(
        (reply.metadata.id, data(&reply)),
        (4712, vec![FORGED.to_string()])
    );
    assert_eq!(reply.queries, question("id.test", RecordType::A).queries);
    let reply = ask(&server, "question.test", RecordType::A).await;
    assert_eq!(
        (reply.metadata.id, data(&reply)),
        (4711, vec![FORGED.to_string()])
    );
    assert_eq!(
        reply.queries,
        question("nobody-asked.test", RecordType::A).queries
    );
    assert!(Message::from_vec(&ask_raw(&server, "bytes.test", RecordType::A).await).is_err());
}

#[tokio::test]
async fn a_rebinding_name_flips_its_address_with_each_question() {
    let (loopback, private) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1]));
    let server = Zone::new()
        .behaviour("rebind.test", Behaviour::Flips(loopback, private))
        .start();
    for expected in [loopback, private, loopback] {
        assert!(
            ask(&server, "rebind.test", RecordType::AAAA)
                .await
                .answers
                .is_empty()
        );
        assert_eq!(
            data(&ask(&server, "rebind.test", RecordType::A).await),
            [expected.to_string()]
        );
    }
}

#[tokio::test]
async fn dropping_a_name_server_frees_its_port_for_both_transports() {
    let server = zone().start();
    let address = server.address();
    ask(&server, "web.test", RecordType::A).await;
    drop(server);
    drop(StdUdpSocket::bind(address).unwrap());
    assert_eq!(
        std::net::TcpStream::connect(address).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
}
