//! The gateway under a caller that repeats and waits as well: two layers never multiply what each of them does.

use std::time::{Duration, Instant};

use clearline_model::Dur;
use clearline_sim::{Sim, SimEventKind};

use crate::common::{BODY, QUICK, Seen, Served, ask, post, requests, serve_as, sim};

async fn failing(fault: &str) -> Sim {
    sim(&format!("{QUICK}[[fault]]\nname = \"it\"\n{fault}\n")).await
}

async fn held(api: &Sim) -> Served {
    serve_as(
        &api.base_url(),
        &[],
        |_| (),
        |s| {
            s.patience = Dur::millis(1_500);
            s.backoff_base = Dur::millis(100);
            s.backoff_overload = Dur::millis(100);
            s.backoff_max = Dur::millis(100);
        },
    )
    .await
}

fn request(headers: &str) -> Vec<u8> {
    post(BODY, &format!("x-api-key: sk-ant-fake-own\r\n{headers}"))
}

/// As the official SDKs do: two retries after 408, 409, 429, 5xx and lost connections, unless `x-should-retry` says no.
async fn like_an_sdk(served: &Served) -> Seen {
    let mut seen = Seen::default();
    for retry in 0..3 {
        seen = ask(served.addr, &request(&format!("x-stainless-retry-count: {retry}\r\n"))).await;
        let again = match seen.header("x-should-retry") {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(seen.status, 0 | 408 | 409 | 429 | 500..),
        };
        if !again {
            break;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sdk_on_top_adds_next_to_no_attempts() {
    for fault in ["status = 500", "status = 529", "status = 503", "reset = \"after_request\"", "status = 429"]
    {
        let (alone, both) = (failing(fault).await, failing(fault).await);
        let (below, under) = (held(&alone).await, held(&both).await);
        let single = request("x-stainless-retry-count: 0\r\n");
        let (one, two) = tokio::join!(ask(below.addr, &single), like_an_sdk(&under));
        assert_eq!((one.status, two.status), (one.status, one.status), "{fault}");
        let (least, most) = (requests(&alone).len(), requests(&both).len());
        println!("{fault}: {least} attempts alone, {most} under an SDK");
        // Where the server has too much to do, the limiter takes over after the fourth; so it does after a 429 that names
        // no quota.
        let enough = if matches!(fault, "status = 529" | "status = 503" | "status = 429") { 4 } else { 8 };
        assert!(least >= enough, "{fault}: the gateway repeats by itself: {least}");
        // Chance moves both a little: the backoff is jittered.
        assert!(
            most * 10 <= least * 12 + 20,
            "{fault}: {most} attempts where the gateway alone makes {least}"
        );
        assert_eq!(two.header("x-should-retry"), Some("false"), "{fault}");
    }
}

#[tokio::test]
async fn a_repeat_of_the_callers_is_tried_once_and_passed_on() {
    for fault in ["status = 500", "status = 529", "status = 429\nretry_after = 1"] {
        let api = failing(fault).await;
        let served = held(&api).await;
        let seen = ask(served.addr, &request("x-stainless-retry-count: 1\r\n")).await;
        assert!(seen.status >= 429, "{}", seen.status);
        assert_eq!(requests(&api).len(), 1, "{fault}");
        assert_eq!(seen.header("x-should-retry"), None, "{fault}: the caller's layer decides");
    }
}

#[tokio::test]
async fn an_answer_comes_before_the_caller_gives_up() {
    for (headers, deadline) in [
        ("x-stainless-timeout: 1\r\n", 1_000),
        ("x-stainless-read-timeout: 0.7\r\nx-stainless-timeout: 600\r\n", 700),
    ] {
        let api = failing("status = 529").await;
        let served = serve_as(&api.base_url(), &[], |_| (), |s| s.patience = Dur::secs(30)).await;
        let begun = Instant::now();
        let seen = ask(served.addr, &request(headers)).await;
        let took = begun.elapsed();
        assert_eq!(seen.status, 529);
        assert!(took < Duration::from_millis(deadline), "{took:?} of {deadline} ms");
        assert!(took > Duration::from_millis(deadline / 2), "{took:?}: it was held as long as it may be");
        assert_eq!(seen.header("x-should-retry"), Some("false"));
    }
}

/// What was said last is better than nothing: an attempt that hangs is given up for it.
#[tokio::test]
async fn a_hanging_repeat_is_given_up_for_the_answer_before_it() {
    let two = "first = 1\nstatus = 529\n[[fault]]\nname = \"then\"\nhang = true";
    let api = failing(two).await;
    let served = serve_as(&api.base_url(), &[], |_| (), |_| ()).await;
    let begun = Instant::now();
    let seen = ask(served.addr, &request("x-stainless-timeout: 1\r\n")).await;
    assert_eq!(seen.status, 529, "{}", seen.text());
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(requests(&api).len(), 2);
    api.wait_for(|e| matches!(e.kind, SimEventKind::ClientGone { .. })).await;
}
