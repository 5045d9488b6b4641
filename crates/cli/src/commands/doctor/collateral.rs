//! Whether collateral can be had: which services are named and by whom, whether they answer, and what is kept.

use std::time::Duration;

use marblerun_attest::Failure as Untrue;
use marblerun_collateral::{Chosen, CollateralError, Kept, Origin, Refused, Service};

use super::{Finding, State};
use crate::Failure;
use crate::collateral::{QCNL, chosen, service_and_refused};
use crate::commands::collateral::roots;
use crate::trust::Context;

/// What ends sooner is worth a word.
const SOON: Duration = Duration::from_secs(3 * 24 * 60 * 60);

pub(super) async fn look(context: &Context, offline: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    match chosen(context) {
        Ok(chosen) => findings.extend(named(&chosen, context)),
        Err(failure) => findings.push(trouble("addresses of the collateral services", &failure)),
    }
    match roots(context).and_then(|roots| service_and_refused(context, roots)) {
        Ok((service, refused)) => {
            if !offline {
                findings.extend(answers(&service).await);
            }
            findings.extend(kept(&service, &refused, context));
        }
        Err(failure) => findings.push(trouble("collateral", &failure)),
    }
    findings
}

fn named(chosen: &Chosen, context: &Context) -> Vec<Finding> {
    let (global, surroundings) = (&context.global, &context.surroundings);
    // As the collateral room sees it: blank says nothing.
    let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let kds_by = match (said(&global.kds_url), said(&surroundings.kds_url)) {
        (true, _) => "named by --kds-url",
        (false, true) => "named by EDG_KDS_URL",
        (false, false) => "nobody names another, neither --kds-url nor EDG_KDS_URL",
    };
    let kds = format!("{} ({kds_by})", chosen.sources.kds());
    let mut findings = vec![intel(chosen), Finding::new("address of AMD's service (KDS)", State::Ok, kds)];
    if chosen.sources.takes_any_pccs() {
        let seen = format!("whoever answers is taken for the PCCS (use_secure_cert in /{QCNL})");
        let change = "who is in between can see which platforms are asked for, and no more; to keep them out, set it to true \
                      and name the PCCS's authority in EDG_COLLATERAL_CA";
        findings.push(Finding::new("certificate of the PCCS", State::Ok, seen).change(change));
    }
    findings
}

fn intel(chosen: &Chosen) -> Finding {
    let by = match chosen.origin {
        Origin::Flag => "named by --pccs-url".to_owned(),
        Origin::Environment => "named by EDG_PCCS_URL".to_owned(),
        Origin::Qcnl => format!("named by /{QCNL}"),
        Origin::Default => format!("nobody names another, neither --pccs-url nor EDG_PCCS_URL nor /{QCNL}"),
    };
    let seen = format!("{} ({by})", chosen.sources.pccs());
    Finding::new("address of Intel's service (PCS or PCCS)", State::Ok, seen)
}

async fn answers(service: &Service) -> Vec<Finding> {
    let [pccs, kds] = service.reach().await;
    vec![answer("Intel's", pccs), answer("AMD's", kds)]
}

fn answer(whose: &str, (address, answer): (String, Result<(), CollateralError>)) -> Finding {
    let what = format!("{whose} service at {address}");
    match answer {
        Ok(()) => Finding::new(what, State::Ok, "answers"),
        Err(error @ CollateralError::Certificate { .. }) => trouble(&what, &Failure::from(error))
            .change("name the authority of its certificate in EDG_COLLATERAL_CA (--collateral-ca)"),
        Err(error) => trouble(&what, &Failure::from(error))
            .change("name a service that can be reached from here, or carry a bundle (collateral export, --collateral)"),
    }
}

fn kept(service: &Service, refused: &[Refused], context: &Context) -> Vec<Finding> {
    let all = service.kept();
    if all.is_empty() && refused.is_empty() {
        let none = Finding::new("collateral at hand", State::Absent, "none is kept");
        return vec![
            none.change("it is fetched when it is needed; marblerun collateral import brings a bundle"),
        ];
    }
    let now = context.surroundings.now;
    let good = all.iter().map(|kept| entry(kept, kept.until.duration_since(now).unwrap_or_default()));
    good.chain(refused.iter().map(left_out)).collect()
}

fn left_out(refused: &Refused) -> Finding {
    let found = |state| Finding::new("collateral at hand", state, refused.error.to_string());
    match &refused.error {
        CollateralError::Refused { failure: Untrue::UntrustedRoot { .. }, .. } => found(State::Absent)
            .change("if it is a software TEE's, name its root with --era-config; else it is of no use here"),
        _ => found(State::Trouble)
            .change("it is fetched again when it is needed; without a network, bring a newer bundle"),
    }
}

fn entry(kept: &Kept, left: Duration) -> Finding {
    let seen = format!("valid until {}", humantime::format_rfc3339_seconds(kept.until));
    let what = format!("collateral at hand for {}", kept.key);
    if left > SOON {
        return Finding::new(what, State::Ok, seen);
    }
    Finding::new(what, State::Trouble, seen)
        .change("it ends soon; it is renewed when it is used with a network, otherwise bring a newer bundle")
}

fn trouble(what: &str, failure: &Failure) -> Finding {
    Finding::new(what, State::Trouble, failure.to_string())
}
