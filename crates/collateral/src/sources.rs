//! Which services are asked: by flag, else by environment, else by Intel's configuration file, else the vendors' own.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _};

use crate::{Address, CollateralError, qcnl};

/// Intel's Provisioning Certification Service (PCS), version 4.
const PCS: &str = "https://api.trustedservices.intel.com";
/// Where Intel's root certificate says that its revocation list is; the PCS has no other place for it.
const ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
/// AMD's Key Distribution Service.
const KDS: &str = "https://kdsintf.amd.com";
/// What follows the base of a PCS or PCCS in all its paths for SGX.
const SGX: &str = "/sgx/certification/v4";

/// The services that are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// A PCS or PCCS: what comes before `/sgx/certification/v4`.
    pub(crate) intel: Address,
    /// Where the root's revocation list is, if not at the PCCS.
    pub(crate) root_crl: Option<Address>,
    /// Whether whoever answers is taken for the PCCS.
    pub(crate) any_pccs: bool,
    /// A KDS.
    pub(crate) amd: Address,
    /// Who vouches for services, beside whom the web trusts.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
}

/// What an operator said about services, as plain texts; empty ones say nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// Address of a PCS or PCCS, from a flag.
    pub pccs_flag: Option<&'a str>,
    /// The same, from the environment.
    pub pccs_environment: Option<&'a str>,
    /// The content of `sgx_default_qcnl.conf`, or why it cannot be read; it counts if neither of the above is there.
    pub qcnl: Option<Result<&'a str, &'a str>>,
    /// Address of a KDS, from a flag.
    pub kds_flag: Option<&'a str>,
    /// The same, from the environment.
    pub kds_environment: Option<&'a str>,
}

/// Who named the PCS or PCCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    Flag,
    /// The environment.
    Environment,
    /// Intel's configuration file.
    Qcnl,
    /// Nobody: it is Intel's.
    Default,
}

/// The services, and who named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The services.
    pub sources: Sources,
    /// Who named the PCS or PCCS.
    pub origin: Origin,
}

impl Sources {
    /// The vendors' own services.
    ///
    /// # Errors
    /// Never, as long as the addresses of this room can be read.
    pub fn of_vendors() -> Result<Self, CollateralError> {
        Ok(Self {
            intel: Address::parse(PCS)?,
            root_crl: Some(Address::parse(ROOT_CRL)?),
            any_pccs: false,
            amd: Address::parse(KDS)?,
            authorities: Vec::new(),
        })
    }

    /// Takes for each service the first that is named. The addresses may come from anybody (the host names them in
    /// containers): whatever answers there, only what vendors signed counts.
    ///
    /// # Errors
    /// An address or a file that cannot be read; the next one in line is not taken instead.
    pub fn choose(choice: &Choice<'_>) -> Result<Chosen, CollateralError> {
        let named =
            |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let mut sources = Self::of_vendors()?;
        let origin = match (named(choice.pccs_flag), named(choice.pccs_environment), choice.qcnl) {
            (Some(address), _, _) => sources.with_pccs(&address).map(|()| Origin::Flag)?,
            (None, Some(address), _) => sources.with_pccs(&address).map(|()| Origin::Environment)?,
            (None, None, Some(file)) => sources.with_qcnl(file.map_err(qcnl::unreadable)?)?,
            (None, None, None) => Origin::Default,
        };
        if let Some(kds) = named(choice.kds_flag).or(named(choice.kds_environment)) {
            sources.amd = Address::parse(&kds)?;
        }
        Ok(Chosen { sources, origin })
    }

    /// The same, where the services' own certificates may also be issued by, or be, one of those in `pem`: a PCCS of
    /// one's own seldom has one that the web trusts. It adds nothing to what counts as collateral.
    ///
    /// # Errors
    /// [`CollateralError::Authority`] if there is no certificate in it, or one that cannot be read.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, CollateralError> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let all = all.map_err(|error| CollateralError::Authority(unreadable(&error)))?;
        if all.is_empty() {
            return Err(CollateralError::Authority("there is no certificate in it".to_owned()));
        }
        let mut readable = RootCertStore::empty();
        for (number, one) in (1..).zip(&all) {
            let fault =
                |_| CollateralError::Authority(format!("number {number} in it is no X.509 certificate"));
            readable.add(one.clone()).map_err(fault)?;
        }
        self.authorities.extend(all);
        Ok(self)
    }

    /// The PCS or PCCS, for people.
    pub fn pccs(&self) -> String {
        self.intel.to_string()
    }

    /// The KDS, for people.
    pub fn kds(&self) -> String {
        self.amd.to_string()
    }

    /// Whether whoever answers is taken for the PCCS, as Intel's file may say.
    pub fn takes_any_pccs(&self) -> bool {
        self.any_pccs
    }

    fn with_pccs(&mut self, text: &str) -> Result<(), CollateralError> {
        let mut address = Address::parse(text)?;
        if let Some(base) = address.path.strip_suffix(SGX) {
            address.path = base.to_owned();
        } else if address.path.contains("/certification/v") {
            let reason = "only version 4 of the interface is spoken: it must end with /sgx/certification/v4";
            return Err(CollateralError::Address { address: text.to_owned(), reason });
        }
        // Only Intel's own service leaves the root's list to another.
        if address.host != self.intel.host {
            self.root_crl = None;
        }
        self.intel = address;
        Ok(())
    }

    fn with_qcnl(&mut self, file: &str) -> Result<Origin, CollateralError> {
        let file = qcnl::parse(file)?;
        self.any_pccs = !file.use_secure_cert;
        match file.address {
            Some(address) => self.with_pccs(&address).map(|()| Origin::Qcnl),
            None => Ok(Origin::Default),
        }
    }
}

/// Where a text stops being PEM (RFC 7468); the parser's own words show bytes as numbers.
fn unreadable(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section in it has no END line, as if it were cut off",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line in it is incomplete",
        _ => "a section in it is not in base64",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QCNL: &str =
        r#"{"pccs_url": "https://localhost:8081/sgx/certification/v4/", "use_secure_cert": false}"#;

    fn check(choice: Choice<'_>, expected: (&str, Origin)) {
        let chosen = Sources::choose(&choice).unwrap();
        assert_eq!((chosen.sources.pccs().as_str(), chosen.origin), expected, "{choice:?}");
    }

    #[test]
    fn the_first_that_names_one_decides() {
        let all = Choice {
            pccs_flag: Some("http://flag"),
            pccs_environment: Some("http://environment:1/sgx/certification/v4/"),
            qcnl: Some(Ok(QCNL)),
            ..Choice::default()
        };
        check(all, ("http://flag:80", Origin::Flag));
        check(Choice { pccs_flag: Some(" "), ..all }, ("http://environment:1", Origin::Environment));
        let file = Choice { qcnl: Some(Ok(QCNL)), ..Choice::default() };
        check(file, ("https://localhost:8081", Origin::Qcnl));
        check(Choice::default(), (&format!("{PCS}:443"), Origin::Default));
    }

    #[test]
    fn a_pccs_has_the_roots_list_itself_and_is_trusted_if_the_file_says_so() {
        let of = |choice| Sources::choose(&choice).unwrap().sources;
        let file = of(Choice { qcnl: Some(Ok(QCNL)), ..Choice::default() });
        assert!(file.root_crl.is_none() && file.any_pccs);
        // An address from elsewhere is not what the file's switch was written for.
        let flag = of(Choice { pccs_flag: Some("https://a"), qcnl: Some(Ok(QCNL)), ..Choice::default() });
        assert!(flag.root_crl.is_none() && !flag.any_pccs);
        let intel = of(Choice { pccs_flag: Some(PCS), ..Choice::default() });
        assert!(intel.root_crl.is_some());
    }

    #[test]
    fn a_wrong_address_is_an_error_and_not_the_next_one() {
        for wrong in ["pccs:8081", "https://a/sgx/certification/v3/", "https://a/sgx/certification/v4x"] {
            let choice = Choice { pccs_environment: Some(wrong), qcnl: Some(Ok(QCNL)), ..Choice::default() };
            assert!(Sources::choose(&choice).is_err(), "{wrong}");
        }
        let choice = Choice { kds_flag: Some("kds"), ..Choice::default() };
        assert!(Sources::choose(&choice).is_err());
        let choice = Choice { qcnl: Some(Err("permission denied")), ..Choice::default() };
        assert!(Sources::choose(&choice).unwrap_err().to_string().contains("conf: permission denied;"));
        check(Choice { pccs_flag: Some("http://flag"), ..choice }, ("http://flag:80", Origin::Flag));
    }
}
