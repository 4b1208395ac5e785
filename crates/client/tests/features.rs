//! What is built only where it is asked for: the client as a `tower` service, and its calls in `tracing`.

#[cfg(test)]
mod features {
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use clearline::{Ask, Client, ClientLayer, PoolKey, Traced};
    use clearline_model::Secret;
    use clearline_net::Fence;
    use clearline_sim::{Options, Scenario, Sim, expected_text};
    use http_body_util::{BodyExt as _, Either, Full};
    use tower_layer::Layer as _;
    use tower_service::Service;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    async fn sim(faults: &str) -> Sim {
        let quick = "[answer]\nfirst_byte = \"0ms\"\nchunk = \"0ms\"\n";
        Sim::start(Scenario::parse(&format!("{quick}{faults}")).unwrap(), Options::default()).await.unwrap()
    }

    fn builder(sim: &Sim) -> clearline::Builder {
        let secret = Secret::new(b"sk-ant-fake-batch-1".to_vec());
        let keys = vec![PoolKey { alias: "one".to_owned(), secret }];
        Client::builder(&sim.base_url()).keys(keys).fence(Fence::parse(Some("loopback")).unwrap())
    }

    fn ask() -> Ask {
        Ask::new("claude-sonnet-5-5", 16).user("Hello")
    }

    fn request(url: &str) -> http::Request<Bytes> {
        http::Request::post(url)
            .header("anthropic-version", "2023-06-01")
            .body(Bytes::from(ask().to_json().to_string()))
            .unwrap()
    }

    #[derive(Clone)]
    struct Inner;

    impl Service<http::Request<Bytes>> for Inner {
        type Response = http::Response<Full<Bytes>>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
            let body = format!("inner {}", request.uri().path());
            std::future::ready(Ok(http::Response::new(Full::new(body.into()))))
        }
    }

    #[tokio::test]
    async fn the_layer_takes_what_goes_to_the_api_and_nothing_else() {
        let sim = sim("[[fault]]\nname = \"x\"\nfirst = 1\nstatus = 500\n").await;
        let mut service = ClientLayer::new(builder(&sim).build().unwrap(), "api.anthropic.com").layer(Inner);
        let ours = service.call(request("https://api.anthropic.com/v1/messages")).await.unwrap();
        assert_eq!(ours.status(), 200);
        let Either::Left(body) = ours.into_body() else { panic!("it is the client's") };
        let message: serde_json::Value =
            serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(message["content"][0]["text"], expected_text(&ask().to_json()));
        let other = service.call(request("https://example.com/x")).await.unwrap();
        let Either::Right(body) = other.into_body() else { panic!("it is the service's") };
        assert_eq!(body.collect().await.unwrap().to_bytes(), "inner /x");
    }

    #[tokio::test]
    async fn a_service_that_is_dropped_while_it_waits_leaves_nothing_behind() {
        let sim = sim("[[fault]]\nname = \"x\"\nhang = true\n").await;
        let settings = clearline_policy::Settings { in_flight_max: Some(1), ..Default::default() };
        let client = builder(&sim).policy(settings).build().unwrap();
        let mut services = [client.clone(), client.clone(), client.clone()];
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let mut calls = Vec::new();
        for service in &mut services {
            let ready = Service::<http::Request<Bytes>>::poll_ready(service, cx);
            assert!(matches!(ready, Poll::Ready(Ok(()))), "calls wait inside");
            calls.push(service.call(request("https://api.anthropic.com/v1/messages")));
        }
        assert_eq!(client.view().calls, 0, "nobody has asked for them yet");
        for call in &mut calls {
            assert!(call.as_mut().poll(cx).is_pending());
        }
        assert_eq!((client.view().in_flight, client.view().parked), (1, 2));
        // The last one that waits, then the one that runs, whose place goes to the other.
        drop(calls.pop());
        assert_eq!((client.view().in_flight, client.view().parked), (1, 1));
        drop(calls.remove(0));
        assert_eq!((client.view().in_flight, client.view().parked), (1, 0));
        drop(calls);
        assert_eq!((client.view().calls, client.view().in_flight, client.view().parked), (0, 0, 0));
    }

    /// Keeps the names of spans and the messages of events, with the span that each is in.
    #[derive(Default)]
    struct Seen {
        told: Mutex<Vec<String>>,
        inside: Mutex<Vec<u64>>,
    }

    struct Collector(Arc<Seen>);

    struct Fields(String);

    impl tracing::field::Visit for Fields {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }

    impl Subscriber for Collector {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("clearline")
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            self.0.told.lock().unwrap().push(format!("span {}", span.metadata().name()));
            Id::from_u64(7)
        }

        fn record(&self, _span: &Id, _values: &Record<'_>) {}

        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(String::new());
            event.record(&mut fields);
            let depth = self.0.inside.lock().unwrap().len();
            self.0.told.lock().unwrap().push(format!("{depth}{}", fields.0));
        }

        fn enter(&self, span: &Id) {
            self.0.inside.lock().unwrap().push(span.into_u64());
        }

        fn exit(&self, _span: &Id) {
            self.0.inside.lock().unwrap().pop();
        }
    }

    #[tokio::test]
    async fn a_call_is_a_span_with_what_happened_in_it() {
        let seen = Arc::new(Seen::default());
        let _guard = tracing::subscriber::set_default(Collector(Arc::clone(&seen)));
        let sim = sim("[[fault]]\nname = \"x\"\nfirst = 1\nstatus = 500\n").await;
        let client = builder(&sim).observer(Arc::new(Traced::default())).build().unwrap();
        client.create(&ask()).await.unwrap();
        let told = seen.told.lock().unwrap();
        assert_eq!(told.iter().filter(|t| *t == "span clearline.call").count(), 1, "{told:?}");
        let one = |text: &str| told.iter().filter(|t| t.starts_with('1') && t.contains(text)).count();
        assert_eq!(one("attempt started"), 2, "{told:?}");
        assert_eq!(one("attempt failed n=1 cause=\"server.error\""), 1, "{told:?}");
        assert_eq!(one("call ended"), 1, "{told:?}");
        assert!(!told.iter().any(|t| t.contains("sk-ant") || t.contains("Hello")), "{told:?}");
    }
}
