//! A Coordinator that verifies evidence and asks the test for collateral, and a marble whose evidence the test signs
//! itself, under the emulator's vendors, on any platform.

use marblerun_api::grpc::ActivationReq;
use marblerun_tee::emulated::{Enclave, Folder, PlatformSettings};
use marblerun_testkit::client::http::{Request, Response, Transport, send};
use marblerun_testkit::client::{grpc, tls};
use marblerun_testkit::program::{Coordinator, Options};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::lab::Lab;
use crate::pccs::Pccs;

const BUILD: [u8; 32] = [0x11; 32];

pub(crate) struct Scene {
    pub(crate) lab: Lab,
    /// How its Coordinator is started.
    pub(crate) options: Options,
    pub(crate) coordinator: Coordinator,
    /// What it is, as an era-config names it.
    pub(crate) package: Value,
    pub(crate) pccs: Pccs,
    pub(crate) runtime: Runtime,
    pub(crate) marble: Marble,
}

/// What a marble logs in with, and its certificate request.
pub(crate) struct Marble {
    pub(crate) identity: tls::Identity,
    request: Vec<u8>,
    /// SHA-256 of its certificate: what its evidence is bound to.
    bound: Vec<u8>,
}

impl Scene {
    /// With a manifest that admits the marble as `web` on platforms that are up to date.
    pub(crate) fn new() -> Self {
        Self::with_manifest(|root| {
            json!({
                "Packages": { "p": { "UniqueID": hex::encode(BUILD), "AcceptedTCBStatuses": ["UpToDate"] } },
                "Infrastructures": { "lab": root },
                "Marbles": { "web": { "Package": "p" } },
                "Config": { "FeatureGates": ["SignQuoteEndpoint"] },
            })
        })
    }

    /// With the manifest that is made of the emulator's infrastructure.
    pub(crate) fn with_manifest(of: impl FnOnce(Value) -> Value) -> Self {
        let lab = Lab::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let pccs = runtime.block_on(Pccs::start(lab.url().trim_start_matches("http://")));
        let (options, package) = lab.options(&pccs.url());
        let options = Options { seal_dir: Some(lab.desk.path("seal")), ..options };
        let coordinator = Coordinator::start(options.clone()).unwrap();
        let root = lab.desk.done(&["emulator", "root", "tee", "--infrastructure"]);
        let scene = Self { lab, options, coordinator, package, pccs, runtime, marble: Marble::new() };
        let answer = scene.post("/manifest", &of(serde_json::from_str(&root).unwrap()));
        assert_eq!(answer.status, 200, "{answer:?}");
        scene
    }

    /// More platforms, with these FMSPCs; each has its FMSPC as its name.
    pub(crate) fn add_platforms(&self, fmspcs: impl IntoIterator<Item = [u8; 6]>) -> Vec<String> {
        let folder = self.folder();
        let mut settings = folder.settings().unwrap();
        let mut add = |fmspc| {
            let name = hex::encode(fmspc);
            settings.platforms.insert(name.clone(), PlatformSettings { fmspc, ..Default::default() });
            name
        };
        let names = fmspcs.into_iter().map(&mut add).collect();
        folder.set(&settings).unwrap();
        names
    }

    /// A quote of the marble's build on a platform as it is now.
    pub(crate) fn quote(&self, platform: &str, bound: &[u8]) -> Vec<u8> {
        let (vendor, settings) = (self.folder().vendor().unwrap(), self.folder().settings().unwrap());
        let mut report_data = [0; 64];
        report_data[..bound.len()].copy_from_slice(bound);
        let platform = vendor.platform(platform, &settings).unwrap();
        platform.sgx_quote(&Enclave::new(BUILD, [0x22; 32]), &report_data).unwrap()
    }

    /// What the marble sends from a platform.
    pub(crate) fn asks_from(&self, platform: &str) -> ActivationReq {
        ActivationReq {
            quote: self.quote(platform, &self.marble.bound),
            challenge: Vec::new(),
            csr: self.marble.request.clone(),
            marble_type: "web".to_owned(),
            uuid: "0d1e2f30-4152-4637-8a9b-acbdcedff001".to_owned(),
        }
    }

    /// Activates the marble, or says why it is refused.
    pub(crate) fn activate(&self, ask: ActivationReq) -> Result<(), String> {
        let call = grpc::activate(self.coordinator.mesh_addr, Some(&self.marble.identity), ask);
        self.runtime.block_on(call).unwrap().map(drop).map_err(|status| status.to_string())
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, Vec::new())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, body.to_string().into_bytes())
    }

    fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Response {
        let request = Request { method: method.into(), path: path.into(), body, ..Request::default() };
        let call = send(self.coordinator.client_addr, Transport::Tls(None), request);
        self.runtime.block_on(call).unwrap()
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::at(&self.lab.desk.path("tee"))
    }
}

impl Marble {
    fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let request = params.serialize_request(&key).unwrap().der().to_vec();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let bound = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate).as_ref().to_vec();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self { identity: tls::Identity::new(vec![certificate], &key).unwrap(), request, bound }
    }
}

/// The body of an answer.
pub(crate) fn json_of(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}
