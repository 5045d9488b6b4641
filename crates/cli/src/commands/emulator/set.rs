//! `marblerun emulator set`: what happens to platforms in the world.

use clap::Args;
use marblerun_tee::emulated::{DEFAULT_PLATFORM, PlatformSettings, Settings, SnpTcb, TcbStatus};

use super::Place;
use super::platform::{KindName, ProductName};
use crate::{Failure, console};

/// Arguments of `marblerun emulator set`.
#[derive(Debug, Args)]
#[command(after_help = "\
A running emulator follows at its next answer. More can be set in FOLDER/emulator.json.

Examples:
  marblerun emulator set ./emulator --tcb OutOfDate              the platform lacks updates
  marblerun emulator set ./emulator --tcb-recovery               the vendor demands new microcode
  marblerun emulator set ./emulator --update                     the platform gets it
  marblerun emulator set ./emulator --revoke                     its PCK certificates are revoked
  marblerun emulator set ./emulator --platform other --create    a second machine (before `run`)")]
pub(super) struct Set {
    #[command(flatten)]
    place: Place,
    /// Platform to change
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PLATFORM)]
    platform: String,
    /// Make the platform if there is none of this name
    #[arg(long)]
    create: bool,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    published: Publish,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The platform")]
struct Machine {
    /// What its programs run in
    #[arg(long, value_enum, value_name = "KIND")]
    tee: Option<KindName>,
    /// As what the vendor judges its firmware: UpToDate, SWHardeningNeeded, ConfigurationNeeded,
    /// ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, Revoked
    #[arg(long, value_name = "STATUS")]
    tcb: Option<TcbStatus>,
    /// Give it the microcode that the vendor demands
    #[arg(long)]
    update: bool,
    /// FMSPC, 12 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = fmspc)]
    fmspc: Option<[u8; 6]>,
    /// Security version of the quoting enclave: 8 is up to date, less is not
    #[arg(long, value_name = "NUMBER")]
    qe_svn: Option<u16>,
    /// Security version of the TDX module: 5 is up to date, less is not
    #[arg(long, value_name = "NUMBER")]
    module_svn: Option<u8>,
    /// AMD's product line
    #[arg(long, value_enum, value_name = "NAME")]
    product: Option<ProductName>,
    /// Security versions of the SEV-SNP firmware: boot loader, TEE, SNP, microcode
    #[arg(long, value_name = "BL,TEE,SNP,UCODE", value_parser = snp_tcb)]
    snp_tcb: Option<SnpTcb>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What the vendors publish")]
struct Publish {
    /// Revoke the platform's PCK certificates
    #[arg(long)]
    revoke: bool,
    /// Take the platform's PCK certificates off the revocation list
    #[arg(long, conflicts_with = "revoke")]
    reinstate: bool,
    /// Revoke AMD's signing key (ASK), or not
    #[arg(long, value_name = "BOOL")]
    revoke_ask: Option<bool>,
    /// Demand a new generation of microcode from everybody
    #[arg(long)]
    tcb_recovery: bool,
    /// Days that collateral is valid from when it is asked for
    #[arg(long, value_name = "DAYS")]
    valid_days: Option<u32>,
}

impl Set {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let folder = self.place.folder();
        let mut settings = folder.settings()?;
        if self.create {
            settings.platforms.entry(self.platform.clone()).or_default();
        }
        self.published.apply(&mut settings, &self.platform);
        let generation = settings.published.generation;
        // Whether it exists is asked for first, so that a slip of the pen makes no second platform.
        settings.platform(&self.platform)?;
        if let Some(platform) = settings.platforms.get_mut(&self.platform) {
            self.machine.apply(platform, generation);
        }
        folder.set(&settings)?;
        let platform = settings.platform(&self.platform)?;
        console::print(&format!("platform {}: {}", self.platform, platform.tcb))
    }
}

impl Machine {
    fn apply(self, platform: &mut PlatformSettings, generation: u8) {
        assign(&mut platform.tee, self.tee.map(Into::into));
        assign(&mut platform.tcb, self.tcb);
        assign(&mut platform.generation, self.update.then_some(generation));
        assign(&mut platform.fmspc, self.fmspc);
        assign(&mut platform.qe_svn, self.qe_svn);
        assign(&mut platform.module_svn, self.module_svn);
        assign(&mut platform.product, self.product.map(Into::into));
        assign(&mut platform.snp_tcb, self.snp_tcb);
    }
}

impl Publish {
    fn apply(&self, settings: &mut Settings, platform: &str) {
        let published = &mut settings.published;
        if self.revoke {
            published.revoked_platforms.insert(platform.to_owned());
        }
        if self.reinstate {
            published.revoked_platforms.remove(platform);
        }
        if self.tcb_recovery {
            published.generation = published.generation.saturating_add(1);
            published.tcb_evaluation = published.tcb_evaluation.saturating_add(1);
        }
        assign(&mut published.revoked_ask, self.revoke_ask);
        assign(&mut published.valid_days, self.valid_days);
    }
}

fn assign<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn fmspc(text: &str) -> Result<[u8; 6], String> {
    let mut fmspc = [0; 6];
    hex::decode_to_slice(text, &mut fmspc).map(|()| fmspc).map_err(|why| why.to_string())
}

fn snp_tcb(text: &str) -> Result<SnpTcb, String> {
    let parts =
        text.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>().map_err(|why| why.to_string())?;
    let [boot_loader, tee, snp, microcode] = parts[..] else {
        return Err("four numbers are wanted".into());
    };
    Ok(SnpTcb { boot_loader, tee, snp, microcode, ..SnpTcb::default() })
}
