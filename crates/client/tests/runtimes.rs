//! The client in whatever runtime a program has, or has not.

#[cfg(test)]
#[path = "common/keyed.rs"]
mod keyed;

#[cfg(test)]
mod runtimes {
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use clearline::{Ask, Client, Update};
    use clearline_model::{Cause, Dur};
    use clearline_policy::Settings;
    use clearline_sim::{Options, Scenario, Sim, expected_text};
    use tokio::runtime::{Builder, Runtime};

    use crate::keyed;

    /// Long enough for a call that waits for a backoff of milliseconds, on any machine; who waits for ever is seen.
    const PATIENT: Duration = Duration::from_secs(20);

    fn client(url: &str) -> Client {
        keyed::client(url, Settings { backoff_base: Dur::millis(2), ..Settings::default() })
    }

    fn ask() -> Ask {
        Ask::new("claude-sonnet-5-5", 16).user("Hello there")
    }

    fn current_thread() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// A server in a runtime of its own, which stays until the end.
    fn serve(faults: &str) -> (Runtime, Sim) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let scenario = format!("[answer]\nfirst_byte = \"0ms\"\nchunk = \"0ms\"\n{faults}");
        let sim =
            runtime.block_on(Sim::start(Scenario::parse(&scenario).unwrap(), Options::default())).unwrap();
        (runtime, sim)
    }

    /// One call, which has to end.
    fn call(runtime: &Runtime, client: &Client) -> Result<String, Cause> {
        runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENT, client.create(&ask())).await.expect("it ends");
            answer.map(|message| message.text()).map_err(|error| error.cause)
        })
    }

    /// Every second attempt fails, so that each call needs the timer of its backoff.
    #[test]
    fn a_client_outlives_the_runtime_that_it_was_first_used_in() {
        let faults = "[[fault]]\nname = \"x\"\nevery = 2\nstatus = 500\n";
        let (_server, sim) = serve(&format!("{faults}\n[[fault]]\nname = \"y\"\nfirst = 1\nstatus = 500\n"));
        let client = client(&sim.base_url());
        for n in 0..3 {
            let runtime = current_thread();
            assert_eq!(call(&runtime, &client), Ok(expected_text(&ask().to_json())), "{n}");
            assert_eq!(client.view().in_flight, 0);
        }
    }

    #[test]
    fn a_client_serves_two_runtimes_of_which_one_rests() {
        let (_server, sim) = serve("[[fault]]\nname = \"x\"\nevery = 2\nstatus = 500\n");
        let client = client(&sim.base_url());
        // Nobody drives the first one while the other is in use.
        let (first, second) = (current_thread(), current_thread());
        for runtime in [&first, &second, &first, &second] {
            assert_eq!(call(runtime, &client), Ok(expected_text(&ask().to_json())));
        }
    }

    /// A runtime that was shut down drops what it is given at once.
    #[test]
    fn a_call_in_a_runtime_that_is_over_hangs_nobody() {
        let (_server, sim) = serve("");
        let client = client(&sim.base_url());
        let over = current_thread();
        let handle = over.handle().clone();
        drop(over);
        let (tell, told) = mpsc::channel();
        let other = client.clone();
        std::thread::spawn(move || {
            let _inside = handle.enter();
            let ask = ask();
            let mut call = Box::pin(other.create(&ask));
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            tell.send(matches!(polled, Poll::Pending | Poll::Ready(Err(_))))
        });
        assert_eq!(told.recv_timeout(PATIENT), Ok(true), "it neither hangs nor panics");
        assert_eq!(call(&current_thread(), &client).as_deref(), Ok(expected_text(&ask().to_json()).as_str()));
    }

    #[test]
    fn without_a_runtime_the_error_says_so() {
        let client = client("http://127.0.0.1:1");
        let first = ask();
        let mut call = Box::pin(client.create(&first));
        let ask = ask();
        let mut stream = Box::pin(client.stream(&ask));
        let cx = &mut Context::from_waker(Waker::noop());
        let Poll::Ready(Err(error)) = call.as_mut().poll(cx) else { panic!("it cannot begin") };
        assert!(error.detail.raw().contains("tokio runtime"), "{error:?}");
        assert_eq!((error.attempts, client.view().calls), (0, 0));
        assert!(matches!(stream.as_mut().poll(cx), Poll::Ready(Err(_))));
    }

    #[test]
    fn a_client_is_used_from_many_threads_with_runtimes_of_their_own() {
        let (_server, sim) = serve("[[fault]]\nname = \"x\"\nevery = 3\nstatus = 500\n");
        let client = client(&sim.base_url());
        let (tell, told) = mpsc::channel();
        for _ in 0..4 {
            let (client, tell) = (client.clone(), tell.clone());
            std::thread::spawn(move || {
                let runtime = current_thread();
                for _ in 0..5 {
                    tell.send(call(&runtime, &client)).unwrap();
                }
            });
        }
        drop(tell);
        let answers: Vec<_> = told.iter().collect();
        assert_eq!(answers.len(), 20, "a thread panicked");
        assert!(answers.iter().all(|a| a.as_deref() == Ok(&expected_text(&ask().to_json()))), "{answers:?}");
        assert_eq!((client.view().calls, client.view().in_flight), (0, 0));
    }

    /// Whoever works on what came so far, in the only thread that there is, cannot see what comes meanwhile.
    #[test]
    fn a_stream_is_not_silent_while_nobody_looks() {
        let (_server, sim) = serve("");
        let idle = Dur::millis(100);
        let mut settings = Settings::default();
        settings.timeouts.idle = idle;
        let client = keyed::client(&sim.base_url(), settings);
        let runtime = current_thread();
        let ask = Ask::new("claude-sonnet-5-5", 400).user("Hello there");
        let mut stream = runtime.block_on(client.stream(&ask)).unwrap();
        let mut text = String::new();
        loop {
            match runtime.block_on(stream.next()).unwrap_or_else(|e| panic!("{e}: after {text:?}")) {
                Some(Update::Text(more)) => {
                    if text.is_empty() {
                        let begun = std::time::Instant::now();
                        while begun.elapsed() < Duration::from(idle) * 3 {
                            std::hint::spin_loop();
                        }
                    }
                    text.push_str(&more);
                }
                Some(_) => {}
                None => break,
            }
        }
        assert_eq!(text, expected_text(&ask.to_json()));
    }
}
