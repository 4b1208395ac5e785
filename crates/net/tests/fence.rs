//! The fence with real packets: in a network namespace of its own, whose one interface counts what is sent and whose
//! resolver writes down what it is asked. The namespace has no uplink, so nothing leaves even where the fence is open.

#[cfg(test)]
mod fence {
    use std::io::Write as _;
    use std::net::{SocketAddr, UdpSocket};
    use std::os::unix::fs::MetadataExt as _;
    use std::process::Command;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clearline_model::{Dur, Failure, LocalFault, Stage};
    use clearline_net::{
        Egress, Fence, Limits, ProxyEnv, Route, Target, TrustSettings, connect, open, resolve, tls_config,
    };

    /// Set for the run inside the namespace.
    const INSIDE: &str = "CLEARLINE_TEST_FENCE_INSIDE";
    /// A neighbour that does not exist: asking for it is a packet.
    const NEIGHBOUR: &str = "192.0.2.20:443";
    const NAME: &str = "api.anthropic.com";
    const LIMIT: Dur = Dur::millis(400);

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn nothing_is_sent_or_asked_unless_the_fence_lists_this_namespace() {
        if std::env::var_os(INSIDE).is_some() {
            return inside();
        }
        let set_up = "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 addrgenmode none \
                      && ip link set v1 addrgenmode none && ip addr add 192.0.2.10/24 dev v0 \
                      && ip link set v0 up && ip link set v1 up && printf 'nameserver 127.0.0.1\\n' > \"$0\" \
                      && mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let file = std::env::temp_dir().join(format!("clearline-fence-{}", std::process::id()));
        let me = std::env::current_exe().unwrap();
        let test = "fence::nothing_is_sent_or_asked_unless_the_fence_lists_this_namespace";
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let how: &[&str] = if is_root { &["-nm"] } else { &["-rnm"] };
        let run = Command::new("unshare")
            .args(how)
            .args(["sh", "-c", set_up])
            .arg(&file)
            .arg(me)
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, "1")
            .output();
        std::fs::remove_file(&file).ok();
        let output = match run {
            Ok(output) => output,
            Err(e) => return skip(&format!("unshare cannot be run: {e}")),
        };
        let told =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if !told.contains("running 1 test") {
            return skip(&format!("no namespace of its own: {told}"));
        }
        assert!(output.status.success() && told.contains("the fence held"), "{told}");
    }

    /// Not through the test harness, which keeps the output of a test that passes to itself.
    fn skip(why: &str) {
        let _told = writeln!(std::io::stderr(), "SKIPPED the fence in a namespace: {why}").is_ok();
    }

    /// Packets that left by the interface.
    fn sent() -> u64 {
        let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let line = table.lines().find_map(|l| l.trim().strip_prefix("v0:")).unwrap();
        line.split_whitespace().nth(9).unwrap().parse().unwrap()
    }

    /// A resolver that answers every question with 192.0.2.10, and counts.
    fn record() {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((n, from)) = socket.recv_from(&mut packet) {
                ASKED.fetch_add(1, Ordering::SeqCst);
                let question = &packet[..n];
                let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 5;
                let is_a = question[end - 3] == 1;
                let mut answer = question[..end].to_vec();
                answer[2..4].copy_from_slice(&[0x81, 0x80]);
                answer[6..12].copy_from_slice(&[0, u8::from(is_a), 0, 0, 0, 0]);
                if is_a {
                    answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 10]);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
    }

    fn inside() {
        record();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let here = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
            // The kernel itself may speak when an interface comes up; only what our steps add is counted.
            for text in ["loopback".to_owned(), format!("netns:{}", here + 1)] {
                let fence = Fence::parse(Some(&text)).unwrap();
                refuses_every_step(&fence).await;
            }
            let fence = Fence::parse(Some(&format!("netns:1,{here}"))).unwrap();
            let before = sent();
            let fault = connect(&fence, &[NEIGHBOUR.parse().unwrap()], LIMIT).await.unwrap_err();
            assert_ne!(fault.failure, Failure::Local(LocalFault::Forbidden), "{fault}");
            assert!(sent() > before, "the counter does not count: no packet was seen where one must be");
            let found = resolve(&fence, NAME, 443, Dur::secs(20)).await.unwrap();
            assert_eq!(found, ["192.0.2.10:443".parse::<SocketAddr>().unwrap()]);
            assert!(ASKED.load(Ordering::SeqCst) > 0);
        });
        println!("the fence held");
    }

    async fn refuses_every_step(fence: &Fence) {
        let forbidden = Failure::Local(LocalFault::Forbidden);
        let before = sent();
        let fault = connect(fence, &[NEIGHBOUR.parse().unwrap()], LIMIT).await.unwrap_err();
        assert_eq!((fault.failure, fault.stage), (forbidden, Stage::Connect));
        let fault = resolve(fence, NAME, 443, LIMIT).await.unwrap_err();
        assert_eq!((fault.failure, fault.stage), (forbidden, Stage::Resolve));
        assert_eq!(fence.check(Egress::Child).unwrap_err().failure, forbidden);
        let tls = tls_config(&TrustSettings { system: false, ..TrustSettings::default() }).unwrap();
        let target = Target::parse(&format!("https://{NAME}")).unwrap();
        for proxy in ["", "http://192.0.2.20:3128", "http://proxy.test:3128", "socks5://192.0.2.20:1080"] {
            let env = ProxyEnv::from_lookup(&|n: &str| (n == "all_proxy").then(|| proxy.to_owned())).unwrap();
            let proxy = env.for_url("https", NAME, 443);
            let route = Route { target: &target, proxy, tls: tls.clone() };
            let fault = open(fence, route, &[], &Limits::default(), &mut |_, _| {}).await.err().unwrap();
            assert_eq!(fault.failure, forbidden, "{fault}");
        }
        assert_eq!(sent(), before, "a packet left");
        assert_eq!(ASKED.load(Ordering::SeqCst), 0, "a look-up was forwarded");
    }
}
