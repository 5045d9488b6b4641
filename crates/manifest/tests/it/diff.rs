//! What an update would change, in words.

use std::collections::BTreeMap;

use marblerun_manifest::diff::{Difference, InForce, compare, compare_packages};
use marblerun_manifest::{Manifest, Update};
use serde_json::{Value, json};

use super::{now, parse, patched, pem};

fn manifest(patch: &Value) -> Manifest {
    parse(&patched(patch)).unwrap().manifest
}

fn difference(old: &Value, new: &Value) -> Difference {
    compare(InForce { manifest: &manifest(old), raised: &BTreeMap::new() }, &manifest(new))
}

/// All changes from `old` to `new`, but for what every manifest without users has; `!` stands before what warns.
#[track_caller]
fn check(old: &Value, new: &Value, expected: &[&str]) {
    let found: Vec<String> = sentences(&difference(old, new));
    let found: Vec<&str> =
        found.iter().map(String::as_str).filter(|text| !text.contains("as with every")).collect();
    let found: Vec<&str> = found.into_iter().filter(|text| !text.contains("nobody could ever")).collect();
    assert_eq!(found, expected, "{old} -> {new}");
}

fn sentences(difference: &Difference) -> Vec<String> {
    let mark = |warns: bool| if warns { "!" } else { "" };
    difference.changes.iter().map(|change| format!("{}{change}", mark(change.warns()))).collect()
}

#[test]
fn what_is_the_same_is_not_mentioned() {
    let difference = difference(&json!({}), &json!({}));
    assert_eq!(
        sentences(&difference),
        [
            "secret `crate` gets another certificate and key, as with every update",
            "!nobody could ever update the manifest again: no user has UpdateManifest"
        ]
    );
    assert_eq!(difference.kept, ["note", "own", "yeast"]);
    assert!(difference.last);
}

#[test]
fn packages_and_the_marbles_that_they_refuse() {
    let package = |patch: Value| json!({"Packages": {"cider": patch}});
    let none = json!({});
    check(
        &none,
        &package(json!({"SecurityVersion": 7})),
        &[
            "package `cider` needs SecurityVersion 7 instead of 5",
            "!marble `press` refuses marbles that were admitted: builds below SecurityVersion 7",
        ],
    );
    check(
        &none,
        &package(json!({"SecurityVersion": 4})),
        &["!package `cider` needs only SecurityVersion 4 instead of 5: older builds are admitted again"],
    );
    check(
        &none,
        &package(json!({"SignerID": "aa".repeat(32)})),
        &[
            "!package `cider` is other software: its SignerID changes",
            "!marble `press` refuses marbles that were admitted: those with another SignerID, as all that run today have",
        ],
    );
    check(
        &none,
        &package(json!({"Debug": true})),
        &[
            "!package `cider` admits debug enclaves, whose memory the host can read",
            "!marble `press` refuses marbles that were admitted: debug enclaves are told from others",
        ],
    );
    check(
        &none,
        &package(json!({"AcceptedTCBStatuses": ["UpToDate", "OutOfDate"]})),
        &[
            "!package `cider` accepts platforms with TCB status OutOfDate and refuses platforms with TCB status SWHardeningNeeded",
            "!marble `press` refuses marbles that were admitted: those on platforms with TCB status SWHardeningNeeded",
        ],
    );
    check(
        &none,
        &package(json!({"AcceptedAdvisories": ["INTEL-SA-00615"]})),
        &[
            "!package `cider` tolerates other advisories",
            "!marble `press` refuses marbles that were admitted: those on platforms with advisories that are not tolerated any more",
        ],
    );
    let perry = json!({"Packages": {"perry": {"UniqueID": "bb".repeat(32)}}});
    check(&none, &perry, &["package `perry` is added"]);
    check(&perry, &none, &["!package `perry` is removed"]);
}

#[test]
fn packages_of_confidential_machines() {
    let package = |patch: Value| json!({"Packages": {"cider": patch}});
    let tdx = |byte: &str| json!({"TDX": {"MRTD": byte.repeat(48), "AllowMigration": byte == "aa"}});
    let snp = |svn: u32, bootloader: u8| json!({"SNP": {"Measurement": "cc".repeat(48), "GuestSVN": svn, "MinimumTCB": {"Bootloader": bootloader, "SNP": 9}}});
    check(&json!({}), &package(tdx("aa")), &["!package `cider` admits TDX trust domains as well"]);
    check(
        &package(tdx("aa")),
        &package(tdx("bb")),
        &[
            "!package `cider` is other software: its TDX.MRTD changes",
            "!package `cider` asks for something else: its TDX.AllowMigration changes",
            "!marble `press` refuses marbles that were admitted: those with another TDX.MRTD, as all that run today have",
            "!marble `press` refuses marbles that were admitted: those that do not meet its other TDX.AllowMigration",
        ],
    );
    check(
        &package(tdx("aa")),
        &package(snp(1, 1)),
        &[
            "!package `cider` admits no TDX trust domains any more",
            "!package `cider` admits SNP guests as well",
            "!marble `press` refuses marbles that were admitted: all TDX trust domains",
        ],
    );
    check(
        &package(snp(1, 2)),
        &package(snp(2, 1)),
        &[
            "!package `cider` asks for something else: its SNP.GuestSVN changes",
            "!package `cider` asks for something else: its SNP.MinimumTCB changes",
            "!marble `press` refuses marbles that were admitted: those that do not meet its other SNP.GuestSVN",
        ],
    );
    check(
        &json!({}),
        &package(json!({"RequireFreshEvidence": true})),
        &[
            "!package `cider` asks for something else: its RequireFreshEvidence changes",
            "!marble `press` refuses marbles that were admitted: those that do not meet its other RequireFreshEvidence",
        ],
    );
}

#[test]
fn marbles_and_what_they_start_with() {
    let marble = |patch: Value| json!({"Marbles": {"press": patch}});
    let none = json!({});
    check(
        &none,
        &json!({"Marbles": {"barn": {"Package": "cider"}, "press": null}}),
        &[
            "marble `barn` is added",
            "!marble `press` does not exist any more: its marbles are refused when they start again",
        ],
    );
    check(
        &none,
        &marble(json!({"MaxActivations": 3})),
        &["!marble `press` has at most 3 activations instead of no limit; activations of before count"],
    );
    check(
        &none,
        &marble(json!({"DisableSecretBinding": true})),
        &["!marble `press` derives its per-marble keys in another way: all of them change"],
    );
    let parameters = |env: &str, file: &str| {
        let files = json!({"/f": file, "/same": "{{ hex .Secrets.own }}"});
        marble(json!({"Parameters": {"Argv": ["a", env], "Env": {"V": env, "SAME": "x"}, "Files": files}}))
    };
    check(
        &parameters("canary", "canary"),
        &parameters("canary", "{{ hex .Secrets.own }}"),
        &["marble `press` starts with other files: `/f`"],
    );
    check(
        &parameters("canary", "f"),
        &parameters("other", "f"),
        &["marble `press` starts with other arguments", "marble `press` starts with other variables: `V`"],
    );
    let template = |text: &str| parameters("v", text);
    check(&template("{{ hex .Secrets.own }}"), &template("{{ hex .Secrets.own }}"), &[]);
    let tls = |port: &str| json!({"TLS": {"web": {"Incoming": [{"Port": port}]}}, "Marbles": {"press": {"TLS": ["web"]}}});
    check(&tls("1"), &tls("2"), &["the connections of TLS tag `web` change"]);
    check(
        &none,
        &tls("1"),
        &["marble `press` has other TLS tags", "the connections of TLS tag `web` change"],
    );
}

#[test]
fn secrets_are_kept_made_anew_or_lost() {
    let none = json!({});
    check(
        &none,
        &json!({"Secrets": {"yeast": {"Size": 256}, "own": null}}),
        &[
            "!secret `own` is removed, and its value is deleted",
            "!secret `yeast` is defined in another way: its value is lost, and the Coordinator makes another one",
        ],
    );
    let note = json!({
        "Secrets": {"note": {"Type": "symmetric-key", "Size": 64}, "fresh": {"Type": "plain", "UserDefined": true}},
        "Marbles": {"press": {"Parameters": {"Env": {"N": "{{ hex .Secrets.note }}"}}}},
    });
    check(
        &none,
        &note,
        &[
            "marble `press` starts with other variables: `N`",
            "secret `fresh` is added and must be uploaded",
            "!secret `note` is defined in another way: its value is lost, and another one must be uploaded before `press` can \
         be activated again",
        ],
    );
    check(
        &none,
        &json!({"Config": {"RotateRootSecret": true}}),
        &[
            "!the root secret is rotated: every per-marble key changes, and every shared key that the Coordinator made; those \
         of before are under `.Previous` until the next rotation",
            "secret `own` gets another value, as the root secret is rotated",
            "secret `yeast` gets another value, as the root secret is rotated",
        ],
    );
}

#[test]
fn an_uploaded_key_outlives_a_rotation() {
    let token = json!({"Secrets": {"token": {"Type": "symmetric-key", "Size": 64, "UserDefined": true}}});
    let mut rotated = token.clone();
    rotated["Config"] = json!({"RotateRootSecret": true});
    assert_eq!(difference(&token, &rotated).kept, ["note", "token"]);
}

/// Users with the right to update the manifest, and `carol`, who may read a secret and raise a package.
fn team(updaters: &[&str], threshold: u64) -> Value {
    let mut users: serde_json::Map<String, Value> = updaters
        .iter()
        .map(|name| ((*name).to_owned(), json!({"Certificate": pem(name, "cert"), "Roles": ["owner"]})))
        .collect();
    users.insert("carol".into(), json!({"Certificate": pem("carol", "cert"), "Roles": ["reader", "raiser"]}));
    json!({
        "Users": users,
        "Config": {"UpdateThreshold": threshold},
        "Roles": {
            "owner": {"ResourceType": "Manifest", "Actions": ["UpdateManifest"]},
            "reader": {"ResourceType": "Secrets", "ResourceNames": ["yeast"], "Actions": ["ReadSecret"]},
            "raiser": {"ResourceType": "Packages", "ResourceNames": ["cider"], "Actions": ["UpdateSecurityVersion"]},
        },
    })
}

#[test]
fn users_their_rights_and_who_has_to_agree() {
    let (two, one) = (team(&["alice", "bob"], 0), team(&["alice"], 0));
    check(
        &two,
        &one,
        &[
            "!user `bob` is removed; the name could update the manifest",
            "!later updates need `alice` alone, instead of all of `alice` and `bob`",
        ],
    );
    check(
        &one,
        &two,
        &[
            "!user `bob` is added and may update the manifest",
            "later updates need all of `alice` and `bob`, instead of `alice` alone",
        ],
    );
    check(
        &two,
        &team(&["alice", "bob"], 1),
        &["!later updates need any one of `alice` and `bob`, instead of all of `alice` and `bob`"],
    );
    let mut swapped = two.clone();
    swapped["Users"]["bob"]["Certificate"] = json!(pem("stranger", "cert"));
    swapped["Users"]["carol"]["Roles"] = json!(["owner", "raiser"]);
    check(
        &two,
        &swapped,
        &[
            "!user `bob` logs in with another certificate",
            "!user `carol` may from now on update the manifest",
            "!user `carol` may no longer read secret `yeast`",
            "later updates need all of `alice`, `bob` and `carol`, instead of all of `alice` and `bob`",
        ],
    );
    let agree = |old: &Value| difference(old, old).consent;
    assert_eq!(agree(&two).to_string(), "all of `alice` and `bob`");
    assert!(agree(&two).is_possible() && !agree(&json!({})).is_possible());
    assert!(!difference(&two, &one).last && difference(&two, &json!({})).last);
}

#[test]
fn recovery_keys_and_settings() {
    let keys = |names: &[&str], threshold: u64| {
        let keys: BTreeMap<_, _> = names.iter().map(|name| (*name, pem(name, "public"))).collect();
        json!({"RecoveryKeys": keys, "Config": {"RecoveryThreshold": threshold}})
    };
    let (two, three) = (keys(&["safe-one", "safe-two"], 0), keys(&["safe-one", "safe-two", "safe-three"], 2));
    check(
        &two,
        &three,
        &[
            "recovery keys: `safe-three` added",
            "!the state gets a new key, and recovery secrets of before open nothing any more: 2 of 3 holders can recover it, \
         instead of 2 of 2 holders",
        ],
    );
    check(
        &three,
        &keys(&["safe-one", "safe-two", "safe-three"], 0),
        &[
            "!the state gets a new key, and recovery secrets of before open nothing any more: 3 of 3 holders can recover it, \
           instead of 2 of 3 holders",
        ],
    );
    check(
        &keys(&["safe-one"], 0),
        &json!({}),
        &[
            "recovery keys: `safe-one` removed",
            "!the state gets a new key, and recovery secrets of before open nothing any more: nobody can recover it, instead \
         of its one holder",
        ],
    );
    check(
        &json!({}),
        &json!({"Config": {"SealMode": "Disabled", "FeatureGates": ["MonotonicCounter"]}}),
        &[
            "!the state is not kept any more, instead of sealed by ProductKey: a restart loses everything",
            "the feature MonotonicCounter is open",
        ],
    );
    let platforms = |names: &[&str]| {
        let all: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).into(), json!({}))).collect();
        json!({"Infrastructures": all})
    };
    check(
        &platforms(&["a"]),
        &platforms(&["b"]),
        &[
            "!infrastructure `a` is removed: its platforms are refused, unless none is left, which means any",
            "!infrastructure `b` is added: where there are any, marbles run on these alone",
        ],
    );
    let platform = |svn: u64| json!({"Infrastructures": {"azure": {"QESVN": svn}}});
    check(
        &platform(1),
        &platform(2),
        &["!infrastructure `azure` is described in another way: platforms may be refused"],
    );
}

#[test]
fn raised_versions_count_as_they_are_in_force() {
    let owners = manifest(&team(&["alice"], 0));
    let raised = BTreeMap::from([("cider".to_owned(), 9)]);
    let in_force = InForce { manifest: &owners, raised: &raised };
    let full = compare(in_force, &manifest(&team(&["alice"], 0)));
    assert!(sentences(&full)[0].starts_with("!package `cider` needs only SecurityVersion 5 instead of 9"));
    let packages = |version: u64, name: &str| {
        let text = json!({"Packages": {name: {"SecurityVersion": version}}}).to_string();
        let Update::Packages(update) = Update::parse(text.as_bytes(), now()).unwrap() else {
            panic!("packages")
        };
        compare_packages(in_force, &update)
    };
    let raise = packages(11, "cider");
    assert_eq!(
        sentences(&raise),
        [
            "package `cider` needs SecurityVersion 11 instead of 9",
            "!marble `press` refuses marbles that were admitted: builds below SecurityVersion 11",
        ]
    );
    assert_eq!(raise.consent.to_string(), "`carol` alone");
    assert_eq!(sentences(&packages(9, "cider")), ["package `cider` stays at SecurityVersion 9"]);
    assert!(sentences(&packages(8, "cider"))[0].starts_with("!package `cider` needs only"));
    let unknown = packages(1, "perry");
    assert_eq!(sentences(&unknown), ["!package `perry` does not exist: the Coordinator refuses the update"]);
    assert!(!unknown.consent.is_possible());
}

/// What an operator wrote may steer a terminal, and may be secret: names are shown escaped, contents never.
#[test]
fn names_are_fit_for_a_terminal_and_contents_are_not_shown() {
    let marble = |value: &str| json!({"Marbles": {"\u{1b}[2J": {"Package": "cider", "Parameters": {"Env": {"V": value}}}}});
    for (old, new) in [(json!({}), marble("canary")), (marble("canary"), marble("canary2"))] {
        let text = sentences(&difference(&old, &new)).concat();
        assert!(
            text.contains("\\u{1b}[2J") && !text.contains('\u{1b}') && !text.contains("canary"),
            "{text}"
        );
    }
}
