//! Look-ups that run. Each has a thread of its own, which nobody joins: it cannot be cancelled and must not hold the exit up. Calls that
//! want the same name at the same time share one, so that a crowd before a slow resolver is not a crowd of threads.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clearline_model::Stage;
use tokio::sync::oneshot;

use super::{Lookup, failed};
use crate::fault::Fault;
use crate::fence::Pass;

/// A look-up that has run for so long is not shared any more: what it waits for may be a network that is gone, and another one may
/// answer at once (a guess, above what a resolver takes that has to ask others).
const SHARED: Duration = Duration::from_secs(1);

type Found = Result<Vec<SocketAddr>, Fault>;

/// The look-ups of one way to look up.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    /// A few names: comparing them takes less than hashing one.
    flights: Vec<Flight>,
    next: u64,
}

#[derive(Debug)]
struct Flight {
    number: u64,
    name: (String, u16),
    begun: Instant,
    waiting: Vec<oneshot::Sender<Found>>,
}

/// Ends a flight, whatever becomes of it.
struct Landing(Arc<Flights>, u64);

impl Landing {
    fn tell(&self, found: &Found) {
        for waiting in self.0.end(self.1) {
            // Who does not wait any more does not need it.
            drop(waiting.send(found.clone()));
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        drop(self.0.end(self.1));
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, number: u64) -> Vec<oneshot::Sender<Found>> {
        let mut running = self.lock();
        let at = running.flights.iter().position(|flight| flight.number == number);
        at.map(|at| running.flights.swap_remove(at).waiting).unwrap_or_default()
    }

    /// Joins the look-up of this name that runs, or starts one.
    pub(super) fn ask(
        self: &Arc<Self>,
        _pass: Pass,
        (host, port): (&str, u16),
        lookup: Lookup,
    ) -> Result<oneshot::Receiver<Found>, Fault> {
        let (done, answer) = oneshot::channel();
        let mut running = self.lock();
        let fits = |flight: &&mut Flight| {
            flight.name.0 == host && flight.name.1 == port && flight.begun.elapsed() < SHARED
        };
        if let Some(flight) = running.flights.iter_mut().find(fits) {
            flight.waiting.push(done);
            return Ok(answer);
        }
        let number = running.next;
        running.next += 1;
        let (name, begun, waiting) = ((host.to_owned(), port), Instant::now(), vec![done]);
        running.flights.push(Flight { number, name: name.clone(), begun, waiting });
        drop(running);
        let landing = Landing(Arc::clone(self), number);
        let work = move || landing.tell(&lookup(&name.0, name.1).map_err(|e| failed(&e)));
        let started = std::thread::Builder::new().name("clearline-dns".to_owned()).spawn(work);
        started.map(|_detached| answer).map_err(|e| Fault::io(Stage::Resolve, &e))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clearline_model::{Cause, Dur};

    use super::super::resolve_in;
    use super::*;
    use crate::fence::Fence;

    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static ALL_THERE: Barrier = Barrier::new(2);

    /// A resolver that answers when it is let go; names beginning with `no` are not there.
    fn slow(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        ALL_THERE.wait();
        if host.starts_with("no") {
            return Err(io::Error::other("failed to lookup address information: Name or service not known"));
        }
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }

    fn broken(_host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        panic!("as a resolver's library may")
    }

    #[tokio::test]
    async fn calls_that_come_together_share_a_look_up_and_those_behind_it_make_another() {
        let fence = Fence::parse(None).unwrap();
        let flights = Arc::new(Flights::default());
        for (round, host) in ["yes.test", "yes.test", "no.test"].into_iter().enumerate() {
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..1000 {
                let (fence, flights) = (fence.clone(), Arc::clone(&flights));
                callers.spawn(async move {
                    resolve_in(&flights, (&fence, (host, 443)), Dur::secs(60), slow).await
                });
            }
            while flights.lock().flights.first().is_none_or(|flight| flight.waiting.len() < 1000) {
                tokio::task::yield_now().await;
            }
            assert_eq!(flights.lock().flights.len(), 1);
            ALL_THERE.wait();
            while let Some(found) = callers.join_next().await {
                let cause = found.unwrap().map(|found| found.len()).map_err(|fault| fault.cause());
                assert_eq!(cause, if host == "no.test" { Err(Cause::DnsNameNotFound) } else { Ok(1) });
            }
            assert_eq!(ASKED.load(Ordering::Relaxed), round + 1);
            assert!(flights.lock().flights.is_empty());
        }
    }

    #[tokio::test]
    async fn one_that_runs_for_long_is_not_waited_for_and_one_that_dies_is_forgotten() {
        let fence = Fence::parse(None).unwrap();
        let flights = Arc::new(Flights::default());
        let (done, _old) = oneshot::channel();
        let Some(begun) = Instant::now().checked_sub(SHARED) else { return };
        let old = Flight { number: 7, name: ("a.test".to_owned(), 1), begun, waiting: vec![done] };
        *flights.lock() = Running { flights: vec![old], next: 8 };
        let here = |_: &str, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        assert_eq!(
            resolve_in(&flights, (&fence, ("a.test", 1)), Dur::secs(60), here).await.unwrap().len(),
            1
        );
        let fault = resolve_in(&flights, (&fence, ("b.test", 1)), Dur::secs(60), broken).await.unwrap_err();
        assert_eq!(fault.cause(), Cause::DnsServerFailure);
        while flights.lock().flights.len() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(flights.lock().flights[0].number, 7, "the old one still runs");
    }
}
