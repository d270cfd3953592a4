//! The courier, with a receiver that has no socket and a clock that the test moves.

use concord_core::ports::{Http, HttpError, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::*;
use crate::hubspot::HubSpot;
use crate::mailchimp::{LIST_ID, Mailchimp};

/// A clock that stands still until it is moved.
struct Moved(watch::Sender<i64>);

#[async_trait]
impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(*self.0.borrow())
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, span: Duration) {
        let end = self.now().plus(span).millis();
        let moved = &mut self.0.subscribe();
        moved.wait_for(|now| *now >= end).await.unwrap();
    }
}

/// Shows each request to the test, and answers when the test does.
struct Receiver(mpsc::UnboundedSender<(HttpRequest, oneshot::Sender<u16>)>);

#[async_trait]
impl Http for Receiver {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (answer, status) = oneshot::channel();
        self.0.send((request, answer)).unwrap();
        let lost = |_| HttpError::NoAnswer("the connection was closed".into());
        Ok(HttpResponse {
            status: status.await.map_err(lost)?,
            headers: Vec::new(),
            body: Vec::new(),
        })
    }
}

struct Scene {
    running: Running,
    clock: Arc<Moved>,
    arrived: mpsc::UnboundedReceiver<(HttpRequest, oneshot::Sender<u16>)>,
}

impl Scene {
    async fn of(twin: Box<dyn Twin>) -> Self {
        let clock = Arc::new(Moved(watch::channel(1_000).0));
        let (sender, arrived) = mpsc::unbounded_channel();
        let options = ServeOptions {
            webhooks: Some(Arc::new(Receiver(sender))),
            ..ServeOptions::default()
        };
        let running = serve(twin, options, clock.clone()).await.unwrap();
        Self {
            running,
            clock,
            arrived,
        }
    }

    /// HubSpot, whose app is told of everything.
    async fn hubspot() -> Self {
        let scene = Self::of(Box::new(HubSpot::default())).await;
        let target = json!({"url": "http://127.0.0.1:1/hooks", "secret": "s"});
        assert_eq!(scene.call("/_twin/webhooks/target", &target).await.0, 200);
        scene
    }

    /// A client's POST and its answer, on a connection of its own.
    fn call(&self, path: &str, body: &Value) -> impl Future<Output = (u16, Value)> + use<> {
        let address = self.running.http;
        let body = body.to_string();
        let length = body.len();
        let call = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let client = tokio::task::spawn_blocking(move || {
            let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
            stream.get_mut().write_all(call.as_bytes()).unwrap();
            let (head, body) = read_answer(&mut stream).unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, serde_json::from_str(&body).unwrap_or_default())
        });
        async { client.await.unwrap() }
    }

    async fn create(&self, name: &str) {
        let person = json!({"properties": {"firstname": name}});
        assert_eq!(self.call("/_twin/create", &person).await.0, 200);
    }
}

fn attempt(request: &HttpRequest) -> Value {
    let events: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
    events[0]["attemptNumber"].clone()
}

#[tokio::test]
async fn a_change_is_carried_at_once_and_a_slow_receiver_holds_up_nobody() {
    let mut scene = Scene::hubspot().await;
    scene.create("Ann").await;
    let (first, _slow) = scene.arrived.recv().await.unwrap();
    assert_eq!(first.url, "http://127.0.0.1:1/hooks");
    assert_eq!(first.method, "POST");
    // The first request is not answered yet.
    scene.create("Ben").await;
    let (second, answer) = scene.arrived.recv().await.unwrap();
    assert_ne!(first.body, second.body);
    answer.send(204).unwrap();
    scene.running.stop().await;
}

#[tokio::test]
async fn what_nobody_takes_is_carried_again_when_its_moment_comes() {
    let mut scene = Scene::hubspot().await;
    scene.create("Ann").await;
    let (request, answer) = scene.arrived.recv().await.unwrap();
    assert_eq!(attempt(&request), 0);
    // The connection breaks.
    drop(answer);
    // Until the twin knows of it, the clock must not pass the moment.
    while scene.call("/_twin/webhooks", &json!({})).await.1["refused"] == 0 {}
    assert!(scene.arrived.try_recv().is_err());
    scene.clock.0.send_modify(|now| *now += 70_000);
    let (request, answer) = scene.arrived.recv().await.unwrap();
    assert_eq!(attempt(&request), 1);
    answer.send(200).unwrap();
    scene.running.stop().await;
}

#[tokio::test]
async fn a_client_waits_for_the_answer_of_the_url_that_it_gave() {
    for (status, expect) in [(200, 200), (500, 400)] {
        let mut scene = Scene::of(Box::new(Mailchimp::default())).await;
        let hook = json!({"url": "http://127.0.0.1:1/hooks", "events": {"profile": true}});
        let waiting = tokio::spawn(scene.call(&format!("/3.0/lists/{LIST_ID}/webhooks"), &hook));
        let (question, answer) = scene.arrived.recv().await.unwrap();
        assert_eq!((question.method.as_str(), question.body), ("GET", None));
        assert!(!waiting.is_finished());
        answer.send(status).unwrap();
        assert_eq!(waiting.await.unwrap().0, expect);
        scene.running.stop().await;
    }
}

#[tokio::test]
async fn without_a_way_out_no_url_answers() {
    let clock = Arc::new(Still::default());
    let twin = Box::new(Mailchimp::default());
    let running = serve(twin, ServeOptions::default(), clock).await.unwrap();
    let address = running.http;
    let body = r#"{"url":"http://127.0.0.1:1/"}"#;
    let call = format!(
        "POST /3.0/lists/{LIST_ID}/webhooks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
        stream.get_mut().write_all(call.as_bytes()).unwrap();
        read_answer(&mut stream).unwrap()
    });
    let (head, body) = client.await.unwrap();
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(body.contains("HTTP Code: 0"), "{body}");
    running.stop().await;
}
