//! What a marble does with a challenge, and with Coordinators that are not the one that it was built for. Those that
//! are, need a TEE: they are tried in the room `cli`.

use std::time::Duration;

use marblerun_api::grpc::{ChallengeResp, Parameters};
use marblerun_attest::Binding;
use marblerun_marble::{Activation, ActivationError, CoordinatorError, activate};
use marblerun_tee::{SealTo, Tee, TeeError};
use tonic::Code;
use zeroize::Zeroizing;

use crate::activate::{NOW, config, patience};
use crate::coordinator::{Answer, Coordinator, Invite};

/// Its evidence is what it is asked to cover.
#[derive(Debug)]
struct Mirror;

impl Tee for Mirror {
    fn origin(&self) -> &'static str {
        "mirror"
    }

    fn seal(&self, _: &[u8], _: SealTo) -> Result<Vec<u8>, TeeError> {
        Err(TeeError::NoSealingKey)
    }

    fn unseal(&self, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, TeeError> {
        Err(TeeError::NoSealingKey)
    }

    fn evidence(&self, report_data: &[u8; 64]) -> Result<Option<Vec<u8>>, TeeError> {
        Ok(Some(report_data.to_vec()))
    }
}

fn admit() -> Answer {
    Answer::Admit(Parameters::default())
}

#[tokio::test]
async fn evidence_covers_the_challenge_of_each_attempt() {
    let invite: Invite = |number, nonce, _| {
        assert!(nonce.is_empty(), "evidence of a Coordinator that may be anybody is not asked for");
        ChallengeResp { challenge: vec![number; 40], ..ChallengeResp::default() }
    };
    let busy = Answer::Refuse(Code::Aborted, "the challenge is older than two minutes");
    let coordinator = Coordinator::inviting(invite, [busy, admit()]).await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(coordinator.address, folder.path());
    activate(&config, &Mirror, &patience(Duration::from_secs(60)), NOW).await.ok().unwrap();
    let seen = coordinator.seen();
    assert_eq!(seen.len(), 2);
    for (number, seen) in [1, 2].into_iter().zip(seen) {
        let challenge = vec![number; 40];
        let binding = Binding::fresh_marble(&seen.certificate, &challenge);
        assert_eq!(seen.request.quote, binding.report_data());
        assert_eq!(seen.request.challenge, challenge);
    }
}

#[tokio::test]
async fn an_old_coordinator_gets_evidence_over_the_certificate_alone() {
    let coordinator = Coordinator::start([admit()]).await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(coordinator.address, folder.path());
    activate(&config, &Mirror, &patience(Duration::ZERO), NOW).await.ok().unwrap();
    let seen = coordinator.seen().remove(0);
    assert_eq!(seen.request.quote, Binding::marble(&seen.certificate).report_data());
    assert!(seen.request.challenge.is_empty());
}

/// A marble that expects one Coordinator, and what it meets instead.
async fn expecting_another(coordinator: &Coordinator) -> ActivationError {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("era.json");
    std::fs::write(&file, format!(r#"{{"UniqueID":"{}"}}"#, "11".repeat(32))).unwrap();
    let mut config = config(coordinator.address, folder.path());
    config.coordinator_era = Some(file);
    let activation: Result<Activation, _> = activate(&config, &Mirror, &patience(Duration::ZERO), NOW).await;
    assert_eq!(coordinator.seen().len(), 0, "nothing was asked of it");
    activation.err().unwrap()
}

#[tokio::test]
async fn whoever_cannot_prove_to_be_the_expected_coordinator_is_sent_nothing() {
    let too_old = Coordinator::start([admit()]).await;
    let error = expecting_another(&too_old).await;
    assert_eq!(error, ActivationError::Coordinator(CoordinatorError::TooOld));

    let check = async |invite: Invite, words: &str| {
        let error = expecting_another(&Coordinator::inviting(invite, [admit()]).await).await.to_string();
        assert!(error.contains(words), "{words:?}: {error}");
    };
    check(|_, _, _| ChallengeResp::default(), "no evidence for itself").await;
    check(
        |_, nonce, _| {
            assert_eq!(nonce.len(), 32);
            // Genuine answers that are passed on speak of the certificate of another port.
            ChallengeResp { quote: vec![1], marble_root_certificate: b"genuine".into(), ..Default::default() }
        },
        "another certificate than the Coordinator's evidence speaks of",
    )
    .await;
    check(
        |_, _, shown| ChallengeResp { quote: vec![1], marble_root_certificate: shown, ..Default::default() },
        "sent no collateral",
    )
    .await;
    check(
        |_, _, shown| ChallengeResp {
            quote: vec![1],
            marble_root_certificate: shown,
            collateral: b"{}".into(),
            ..Default::default()
        },
        "evidence does not count: the evidence has no known format",
    )
    .await;
    check(
        |_, _, shown| ChallengeResp {
            quote: vec![1],
            marble_root_certificate: shown,
            collateral: vec![b' '; (1 << 20) + 1],
            ..Default::default()
        },
        "more than 1048576 bytes",
    )
    .await;
}
