//! Attacks of the machine while they go on.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use canary::ledger::raise_descriptor_limit;
use canary_tests::machine::Clock;
use canary_tests::receiver::Mood;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::attack::Machine;
use crate::hold;
use crate::service::{Service, World};

/// Slow clients at once.
const CLIENTS: u32 = 10_000;
const CLIENTS_IN_SHORT: u32 = 2_000;
/// Within this all clients come for the first time.
const ARRIVE: Duration = Duration::from_secs(5);
/// A client that was turned away comes again after this, or up to twice as long.
const COME_AGAIN: Duration = Duration::from_secs(10);
/// Between two bytes of a client that is slow.
const BYTE: Duration = Duration::from_secs(1);
/// How long a client leaves an answer unread.
const UNREAD: Duration = Duration::from_secs(20);
/// Looks from one step of the clock to the next.
const STEP: usize = 30;
const HOUR: i64 = 3_600;

/// An attack that goes on until [`Self::end`].
pub(crate) enum Ongoing<'a> {
    UnreadOutput,
    HangingReceiver,
    ClockSteps(&'a Clock),
    /// Clients that leave when this is dropped.
    SlowClients {
        _clients: JoinSet<()>,
    },
}

impl<'a> Ongoing<'a> {
    pub(crate) fn begin(
        machine: Machine,
        service: &Service,
        world: &World,
        clock: Option<&'a Clock>,
    ) -> Self {
        match machine {
            Machine::UnreadOutput => {
                service.process.clog();
                Self::UnreadOutput
            }
            Machine::HangingReceiver => {
                world.hanging.set(Mood::Silent);
                Self::HangingReceiver
            }
            Machine::ClockSteps => Self::ClockSteps(clock.expect("the scenario has a clock")),
            Machine::SlowClients => {
                let count = hold::minutes().map_or(CLIENTS_IN_SHORT, |_| CLIENTS);
                raise_descriptor_limit().expect("it may be raised");
                let mut clients = JoinSet::new();
                for number in 0..count {
                    let after = ARRIVE * number / count;
                    clients.spawn(slow_client(service.address, number, after));
                }
                Self::SlowClients { _clients: clients }
            }
        }
    }

    /// Goes on, after so many looks.
    pub(crate) fn go_on(&self, looks: usize) {
        if let Self::ClockSteps(clock) = self
            && looks.is_multiple_of(STEP)
        {
            clock.set(if (looks / STEP).is_multiple_of(2) { HOUR } else { 0 });
        }
    }

    pub(crate) fn end(self, world: &World) {
        match self {
            Self::UnreadOutput | Self::SlowClients { .. } => {}
            Self::HangingReceiver => world.hanging.set(Mood::Takes),
            Self::ClockSteps(clock) => clock.set(0),
        }
    }
}

/// One that comes again and again, from one of a few hundred addresses.
async fn slow_client(server: SocketAddr, number: u32, after: Duration) {
    sleep(after).await;
    let [.., third, fourth] = number.to_be_bytes();
    let source = Ipv4Addr::new(127, 0, 1 + third % 4, fourth.max(1));
    loop {
        // Whether it was turned away, or could not come, is its own matter.
        let _left = be_slow(server, source, number).await;
        sleep(COME_AGAIN + COME_AGAIN * u32::from(fourth) / 256).await;
    }
}

async fn be_slow(server: SocketAddr, source: Ipv4Addr, number: u32) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let mut stream = socket.connect(server).await?;
    match number % 4 {
        // It says nothing.
        0 => {}
        // Half of a request.
        1 => stream.write_all(b"GET /api/v1/status HT").await?,
        // A request byte by byte.
        2 => {
            for byte in b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n" {
                stream.write_all(&[*byte]).await?;
                sleep(BYTE).await;
            }
        }
        // A whole request, whose answer it does not read.
        _ => {
            let request = b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
            stream.write_all(request).await?;
            sleep(UNREAD).await;
            return Ok(());
        }
    }
    stream.read_u8().await.map(|_| ())
}
