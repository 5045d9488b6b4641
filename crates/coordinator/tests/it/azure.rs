//! A stand-in for Microsoft's login, its attestation service and a managed HSM, on one socket. It is strict: evidence must
//! be genuine by the emulator's root and bound to the key that comes with it, the HSM takes only statements that the
//! attestation service signed, and wraps to the key that they name.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marblerun_attest::{Appraisal, Binding, Memory, Roots, Vendor, needs};
use marblerun_collateral::{Choice, Options, Service, Sources};
use serde_json::{Value, json};

/// What must never be seen anywhere but at the services.
pub(crate) const CLIENT_SECRET: &str = "canary-Q7w~client";
pub(crate) const ACCESS_TOKEN: &str = "canary-3fA.access";
pub(crate) const KEY: [u8; 32] = *b"canary: a key of 32 bytes in all";

/// The services, until the test ends.
pub(crate) struct Azure {
    pub(crate) url: String,
    services: Arc<Services>,
}

/// Whose evidence is genuine: an emulator's root (DER), and where its collateral is.
pub(crate) struct Vendors {
    pub(crate) root: Vec<u8>,
    pub(crate) collateral: String,
}

struct Services {
    vendors: Vendors,
    signer: Ed25519KeyPair,
    /// The HSM's release policy lets nobody have the key.
    closed: AtomicBool,
}

/// Status and body.
type Answer = (u16, Value);

impl Azure {
    pub(crate) fn start(vendors: Vendors) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let signer = Ed25519KeyPair::generate().unwrap();
        let services = Arc::new(Services { vendors, signer, closed: AtomicBool::new(false) });
        let serving = Arc::clone(&services);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.serve(&stream.unwrap());
            }
        });
        Self { url, services }
    }

    /// From now on the HSM refuses, or releases again.
    pub(crate) fn close(&self, closed: bool) {
        self.services.closed.store(closed, Ordering::SeqCst);
    }

    pub(crate) fn environment(&self) -> [(&'static str, &str); 8] {
        [
            ("EDG_AZURE_AUTHORITY_URL", &self.url),
            ("EDG_AZURE_TENANT_ID", "orchard"),
            ("EDG_AZURE_CLIENT_ID", "cider"),
            ("EDG_AZURE_CLIENT_SECRET", CLIENT_SECRET),
            ("EDG_AZURE_HSM_VAULT_URL", &self.url),
            ("EDG_AZURE_HSM_KEY_NAME", "seal"),
            ("EDG_AZURE_HSM_KEY_VERSION", "7a"),
            ("EDG_MAA_URL", &self.url),
        ]
    }

    /// What the attestation service says to this.
    pub(crate) fn attest(&self, quote: &[u8], runtime_data: &[u8]) -> Answer {
        let [quote, data] = [quote, runtime_data].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let body = json!({"quote": quote, "runtimeData": {"data": data, "dataType": "JSON"}});
        self.services.attest(&body)
    }

    /// What the HSM says to this statement.
    pub(crate) fn release(&self, statement: &str) -> Answer {
        let body = json!({"target": statement, "enc": "CKM_RSA_AES_KEY_WRAP"});
        self.services.release(&format!("Bearer {ACCESS_TOKEN}"), &body)
    }
}

impl Services {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let found = head.iter().filter_map(|line| line.split_once(": "));
            found.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let authorization = header("authorization").unwrap_or_default();
        let request = head.first().map(String::as_str).unwrap_or_default();
        let (status, answer) = self.answer(request, &authorization, &body);
        let answer = answer.to_string();
        let length = answer.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        let mut stream = stream;
        stream.write_all((head + &answer).as_bytes()).unwrap();
    }

    fn answer(&self, request: &str, authorization: &str, body: &[u8]) -> Answer {
        let parsed = || serde_json::from_slice(body).unwrap_or_default();
        match request {
            "POST /orchard/oauth2/v2.0/token HTTP/1.1" => login(body),
            "POST /attest/SgxEnclave?api-version=2022-08-01 HTTP/1.1" if authorization.is_empty() => {
                self.attest(&parsed())
            }
            "POST /keys/seal/7a/release?api-version=7.4 HTTP/1.1" => self.release(authorization, &parsed()),
            _ => refuse(404, "NotFound"),
        }
    }

    fn attest(&self, body: &Value) -> Answer {
        let bytes = |path: &str| URL_SAFE_NO_PAD.decode(body.pointer(path)?.as_str()?).ok();
        let (Some(quote), Some(data)) = (bytes("/quote"), bytes("/runtimeData/data")) else {
            return refuse(400, "InvalidParameter");
        };
        let bound = [digest(&SHA256, &data).as_ref(), &[0; 32]].concat();
        if !self.vendors.genuine(quote, bound) {
            return refuse(400, "InvalidParameter");
        }
        let runtime: Value = serde_json::from_slice(&data).unwrap_or_default();
        let claims = json!({"x-ms-attestation-type": "sgx", "x-ms-runtime": runtime});
        let signed = [json!({"alg": "EdDSA"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = signed.join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.signer.sign(signed.as_bytes()).as_ref());
        (200, json!({"token": format!("{signed}.{signature}")}))
    }

    fn release(&self, authorization: &str, body: &Value) -> Answer {
        if authorization != format!("Bearer {ACCESS_TOKEN}") {
            return refuse(401, "Unauthorized");
        }
        let key = body["target"].as_str().and_then(|statement| self.stated_key(statement));
        let Some(key) = key.filter(|_| !self.closed.load(Ordering::SeqCst)) else {
            return refuse(403, "Forbidden");
        };
        if body["enc"] != "CKM_RSA_AES_KEY_WRAP" {
            return refuse(400, "BadParameter");
        }
        let blob = json!({"schema_version": "1.0", "ciphertext": URL_SAFE_NO_PAD.encode(wrap(key))});
        let key = json!({"kty": "oct-HSM", "key_hsm": URL_SAFE_NO_PAD.encode(blob.to_string())});
        let payload = json!({"response": {"key": {"key": key}}}).to_string();
        (200, json!({"value": format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))}))
    }

    /// The key in a statement that the attestation service signed.
    fn stated_key(&self, statement: &str) -> Option<PublicEncryptingKey> {
        let (signed, signature) = statement.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let signer = UnparsedPublicKey::new(&ED25519, self.signer.public_key());
        signer.verify(signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let key = claims.pointer("/x-ms-runtime/keys/0")?;
        let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
        PublicKeyComponents { n: number("n")?, e: number("e")? }.try_into().ok()
    }
}

impl Vendors {
    /// By their collateral of this moment.
    #[allow(clippy::disallowed_methods, reason = "the emulator signs by the same clock")]
    fn genuine(&self, quote: Vec<u8>, report_data: Vec<u8>) -> bool {
        let now = std::time::SystemTime::now();
        let roots = Roots::new([(Vendor::Intel, &self.root)]).unwrap();
        let choice = Choice { pccs_flag: Some(&self.collateral), ..Choice::default() };
        let service =
            Service::new(Sources::choose(&choice).unwrap().sources, Options::new(roots.clone())).unwrap();
        let Ok(needs) = needs(&quote) else { return false };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let collateral = runtime.block_on(service.collateral(&needs, now)).unwrap();
        let appraisal = Appraisal { roots: &roots, collateral: &collateral, memory: &Memory::default(), now };
        appraisal.genuine(&quote, &Binding::Exactly(report_data)).is_ok()
    }
}

fn login(body: &[u8]) -> Answer {
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "cider"),
        ("client_secret", CLIENT_SECRET),
        ("scope", "https://managedhsm.azure.net/.default"),
    ];
    match form_urlencoded::parse(body).eq(expected.map(|(name, value)| (name.into(), value.into()))) {
        true => (200, json!({"token_type": "Bearer", "expires_in": 3599, "access_token": ACCESS_TOKEN})),
        false => (401, json!({"error": "invalid_client", "error_description": CLIENT_SECRET})),
    }
}

/// As carelessly as a service can be.
fn refuse(status: u16, code: &str) -> Answer {
    (status, json!({"error": {"code": code, "message": format!("{CLIENT_SECRET} {ACCESS_TOKEN}")}}))
}

fn wrap(to: PublicEncryptingKey) -> Vec<u8> {
    let to = OaepPublicEncryptingKey::new(to).unwrap();
    let aes = [5; 32];
    let mut encrypted = vec![0; to.ciphertext_size()];
    to.encrypt(&OAEP_SHA1_MGF1SHA1, &aes, &mut encrypted, None).unwrap();
    let mut wrapped = [0; 40];
    AesKek::new(&AES_256, &aes).unwrap().wrap_with_padding(&KEY, &mut wrapped).unwrap();
    [encrypted.as_slice(), &wrapped].concat()
}
