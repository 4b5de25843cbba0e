//! What wakes an idle export worker, with a paused clock.

use tokio::time::sleep;

use super::*;

/// What was written to a console.
#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// The number of printed requests.
    fn shown(&self) -> usize {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).matches("resourceSpans").count()
    }
}

/// Delivery of spans to a console that has been idle for a minute.
async fn idle(spool: Option<SpoolSettings>) -> (Delivery, Screen) {
    let (screen, (notices, _)) = (Screen::default(), mpsc::channel(1));
    let delivery = Delivery::start(DeliverySettings {
        internal_fds: InternalFds::default(),
        secrets: SecretRegistry::default(),
        liveness: Registry::default(),
        exporters: BTreeMap::from([(Signal::Traces, Exporter::Console)]),
        resource: Resource::default(),
        scope: InstrumentationScope::default(),
        batch_delay: Duration::from_secs(5),
        spool,
        memory: MAX_MEMORY,
        console: Box::new(screen.clone()),
        notices,
    });
    sleep(Duration::from_secs(60)).await;
    (delivery, screen)
}

#[tokio::test(start_paused = true)]
async fn a_frame_goes_out_with_others_when_its_batch_is_closed() {
    let (delivery, screen) = idle(None).await;
    delivery.append(Signal::Traces, &frame("a"));
    delivery.append(Signal::Traces, &frame("b"));
    sleep(Duration::from_millis(4_999)).await;
    assert_eq!(screen.shown(), 0);
    sleep(Duration::from_millis(2)).await;
    assert_eq!(screen.shown(), 1);
    delivery.append(Signal::Logs, &frame("of a signal that goes nowhere"));
    delivery.append(Signal::Traces, &Frame::default());
    delivery.push(Signal::Traces, Vec::new());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(screen.shown(), 1, "nothing is made of nothing");
}

#[tokio::test(start_paused = true)]
async fn a_whole_request_goes_out_at_once() {
    let (delivery, screen) = idle(None).await;
    let request = Envelope::new(&Resource::default(), &InstrumentationScope::default());
    delivery.push(Signal::Traces, request.request(&frame("a").bytes));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(screen.shown(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_a_batch_to_be_closed_or_for_the_deadline() {
    let (delivery, screen) = idle(None).await;
    delivery.append(Signal::Traces, &frame("a"));
    let before = Instant::now();
    let report = delivery.finish(before + Duration::from_secs(60)).await;
    assert_eq!((screen.shown(), before.elapsed()), (1, Duration::ZERO));
    assert_eq!(report.signals[&Signal::Traces].exports["success"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_console_has_no_spool() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("spool");
    let (delivery, _) = idle(Some(SpoolSettings {
        folder: folder.clone(),
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(60),
    }))
    .await;
    delivery.append(Signal::Traces, &frame("a"));
    drop(delivery);
    assert!(!folder.exists());
}
