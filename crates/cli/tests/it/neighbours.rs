//! Marbles of platforms that are known do not wait for collateral that does not come for others. Judged by order, not by
//! time: a gate of the test keeps the collateral back.

use std::sync::Arc;

use marblerun_api::grpc::ActivationReq;
use marblerun_testkit::client::grpc::{self, Connection};
use marblerun_testkit::client::http::{Request, Transport, send};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::pccs::Gate;
use crate::scene::{Scene, json_of};

/// Of each kind.
const MARBLES: usize = 500;
/// More handshakes at once than this only make each of them slower, up to the time that one may take.
const HANDSHAKES: usize = 32;
/// How many platforms that are not known a Coordinator asks for at the same time.
const AT_ONCE: u8 = 16;
/// The question for rules about platforms whose FMSPC begins with 0xff.
const STRANGE: &str = "fmspc=ff";

type Activation = JoinHandle<Result<(), String>>;

/// A crowd of marbles, connected and not yet activated.
struct Crowd<'a>(&'a Scene, Vec<Connection>);

impl<'a> Crowd<'a> {
    /// Shakes hands for all of them before the first one asks, so that they all ask at once.
    fn connect(scene: &'a Scene, marbles: usize) -> Self {
        let address = scene.coordinator.mesh_addr;
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        let connect = |_| {
            let (identity, handshakes) = (scene.marble.identity.clone(), handshakes.clone());
            scene.runtime.spawn(async move {
                let _turn = handshakes.acquire_owned().await.unwrap();
                grpc::connect(address, Some(&identity)).await.unwrap()
            })
        };
        let connecting: Vec<_> = (0..marbles).map(connect).collect();
        let connected = connecting.into_iter().map(|task| scene.runtime.block_on(task).unwrap());
        Self(scene, connected.collect())
    }

    /// The next of them asks.
    fn activate(&mut self, ask: &ActivationReq) -> Activation {
        let (connection, ask) = (self.1.pop().unwrap(), ask.clone());
        self.0.runtime.spawn(async move {
            let answer = connection.activate(ask).await.unwrap();
            answer.map(drop).map_err(|status| status.to_string())
        })
    }

    fn outcome(&self, activation: Activation) -> Result<(), String> {
        self.0.runtime.block_on(activation).unwrap()
    }

    /// How many activations the Coordinator has begun.
    fn begun(&self) -> usize {
        let request = Request { method: "GET".into(), path: "/metrics".into(), ..Request::default() };
        let answer = send(self.0.coordinator.prometheus_addr, Transport::Plain, request);
        let answer = self.0.runtime.block_on(answer).unwrap();
        let metrics = String::from_utf8(answer.body).unwrap();
        let begun = metrics.lines().find_map(|line| line.strip_prefix("grpc_server_started_total"));
        begun.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
    }
}

/// For a thousand activations to begin, on a machine that does much else.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Both ends of a thousand connections are files, more than the usual limit allows; the Coordinator inherits it.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[test]
fn a_thousand_marbles_while_the_pccs_does_not_answer() {
    allow_many_files();
    let scene = Scene::new();
    let mut crowd = Crowd::connect(&scene, 2 * MARBLES);
    let strange = scene.add_platforms([[0xff; 6]]).remove(0);
    let (known, strange) = (scene.asks_from("default"), scene.asks_from(&strange));
    scene.activate(known.clone()).unwrap();
    scene.pccs.turn(Gate::Holds(STRANGE));
    // By turns, so that none of them has its way paved by the others.
    let (waiting, quick): (Vec<_>, Vec<_>) =
        (0..MARBLES).map(|_| (crowd.activate(&strange), crowd.activate(&known))).unzip();
    for activation in quick {
        crowd.outcome(activation).unwrap();
    }
    let since = std::time::Instant::now();
    while crowd.begun() < 1 + 2 * MARBLES {
        assert!(since.elapsed() < PATIENCE, "{} have begun", crowd.begun());
    }
    assert_eq!(json_of(&scene.get("/api/v2/status"))["data"]["code"], 3);
    assert!(waiting.iter().all(|activation| !activation.is_finished()), "nobody is admitted unverified");
    assert_eq!(scene.pccs.asked(STRANGE), 1, "one fetch serves all who wait for the same");
    scene.pccs.turn(Gate::Open);
    for activation in waiting {
        crowd.outcome(activation).unwrap();
    }
}

#[test]
fn who_is_not_known_waits_within_bounds_and_is_told_why() {
    let scene = Scene::new();
    let mut crowd = Crowd::connect(&scene, AT_ONCE.into());
    let names = scene.add_platforms((0..=AT_ONCE).map(|last| [0xff, 0, 0, 0, 0, last]));
    let (one_more, strangers) = names.split_last().unwrap();
    let known = scene.asks_from("default");
    scene.activate(known.clone()).unwrap();
    scene.pccs.turn(Gate::Holds(STRANGE));
    let waiting: Vec<_> = strangers.iter().map(|name| crowd.activate(&scene.asks_from(name))).collect();
    scene.runtime.block_on(scene.pccs.until_asked(STRANGE, waiting.len()));
    let why = scene.activate(scene.asks_from(one_more)).unwrap_err();
    assert!(why.contains("too many platforms that are not known yet ask at once"), "{why}");
    scene.activate(known).unwrap();
    scene.pccs.turn(Gate::Away);
    for activation in waiting {
        let why = crowd.outcome(activation).unwrap_err();
        assert!(why.contains("check the address of the collateral service"), "{why}");
    }
    // Who asks once there is an answer is served, though others were refused before.
    scene.pccs.turn(Gate::Open);
    scene.activate(scene.asks_from(one_more)).unwrap();
}
