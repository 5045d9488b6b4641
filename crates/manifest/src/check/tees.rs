//! What names software and platforms of a TEE: measurements in hexadecimal, trust domains, SNP guests, PCRs.

use std::collections::BTreeMap;

use super::{Check, Place};
use crate::finding::shown;
use crate::model::{ProductLine, SnpPackage, SnpTcb, TdxPackage};
use crate::written::{self, Map};

/// Number of PCRs in a bank (TCG PC Client Platform TPM Profile).
const PCRS: u8 = 24;

impl Check {
    /// `N` bytes in hexadecimal, in any case; an empty text counts as absent.
    pub(super) fn hex<const N: usize>(
        &mut self,
        place: &Place<'_>,
        written: Option<&str>,
    ) -> Option<[u8; N]> {
        let written = written.filter(|text| !text.is_empty())?;
        let mut bytes = [0; N];
        if hex::decode_to_slice(written, &mut bytes).is_err() {
            let (seen, digits) = (written.chars().count(), 2 * N);
            self.error(
                place,
                format!("must be {N} bytes in hexadecimal, {digits} digits; these are {seen} characters"),
            );
        }
        // It was given, if wrongly: nothing must be called missing as well.
        Some(bytes)
    }

    /// A list of such; one that is empty admits nobody, and says so.
    pub(super) fn hex_list<const N: usize>(
        &mut self,
        place: &Place<'_>,
        written: Option<&[String]>,
    ) -> Option<Vec<[u8; N]>> {
        let written = self.not_empty(place, written)?;
        let all = written.iter().enumerate();
        Some(all.filter_map(|(i, text)| self.hex(&place.item(i), Some(text))).collect())
    }

    /// Identifiers of AMD chips: 64 bytes, on Turin 8.
    pub(super) fn chip_ids(&mut self, place: &Place<'_>, written: Option<&[String]>) -> Option<Vec<Vec<u8>>> {
        let written = self.not_empty(place, written)?;
        let all = written.iter().enumerate();
        let ids = all.filter_map(|(i, text)| match hex::decode(text) {
            Ok(id) if id.len() == 64 || id.len() == 8 => Some(id),
            _ => {
                self.error(&place.item(i), "must be 64 bytes (on Turin 8) in hexadecimal");
                None
            }
        });
        Some(ids.collect())
    }

    fn not_empty<'w>(&mut self, place: &Place<'_>, written: Option<&'w [String]>) -> Option<&'w [String]> {
        if written == Some(&[]) {
            self.warn(place, "an empty list: no platform matches, nobody is admitted");
        }
        written
    }

    pub(super) fn tdx(&mut self, place: &Place<'_>, written: &written::Tdx) -> TdxPackage {
        let rtmrs = [
            ("RTMR0", &written.rtmr0),
            ("RTMR1", &written.rtmr1),
            ("RTMR2", &written.rtmr2),
            ("RTMR3", &written.rtmr3),
        ];
        TdxPackage {
            mrtd: self.hex(&place.key("MRTD"), written.mrtd.as_deref()),
            rtmrs: rtmrs.map(|(key, text)| self.hex(&place.key(key), text.as_deref())),
            mrconfigid: self.hex(&place.key("MRCONFIGID"), written.mrconfigid.as_deref()),
            mrseam: self.hex(&place.key("MRSEAM"), written.mrseam.as_deref()),
            td_attributes: self.hex(&place.key("TDAttributes"), written.td_attributes.as_deref()),
            allow_sept_ve: written.allow_sept_ve.unwrap_or_default(),
            allow_migration: written.allow_migration.unwrap_or_default(),
            allow_service_td: written.allow_service_td.unwrap_or_default(),
        }
    }

    pub(super) fn snp(&mut self, place: &Place<'_>, written: &written::Snp) -> SnpPackage {
        SnpPackage {
            measurement: self.hex(&place.key("Measurement"), written.measurement.as_deref()),
            host_data: self.hex(&place.key("HostData"), written.host_data.as_deref()),
            family_id: self.hex(&place.key("FamilyID"), written.family_id.as_deref()),
            image_id: self.hex(&place.key("ImageID"), written.image_id.as_deref()),
            guest_svn: written.guest_svn,
            minimum_tcb: written.minimum_tcb.as_ref().map(tcb),
            policy: written.policy,
            vmpl: written.vmpl,
            product_lines: self.product_lines(&place.key("ProductLines"), written.product_lines.as_deref()),
            allow_migration: written.allow_migration.unwrap_or_default(),
        }
    }

    fn product_lines(&mut self, place: &Place<'_>, written: Option<&[String]>) -> Vec<ProductLine> {
        let all = written.unwrap_or_default().iter().enumerate();
        let lines = all.filter_map(|(i, name)| match name.as_str() {
            "Milan" => Some(ProductLine::Milan),
            "Genoa" => Some(ProductLine::Genoa),
            "Turin" => Some(ProductLine::Turin),
            _ => {
                let seen = shown(name);
                self.error(
                    &place.item(i),
                    format!("`{seen}` is no product line; write Milan, Genoa or Turin"),
                );
                None
            }
        });
        lines.collect()
    }

    pub(super) fn pcrs(
        &mut self,
        place: &Place<'_>,
        written: Option<&Map<String>>,
    ) -> BTreeMap<u8, [u8; 32]> {
        let mut checked = BTreeMap::new();
        for (number, digest) in written.into_iter().flat_map(Map::iter) {
            let place = place.key(number);
            let digest = self.hex(&place, Some(digest));
            match (number.parse::<u8>().ok().filter(|n| *n < PCRS && n.to_string() == number), digest) {
                (Some(number), Some(digest)) => drop(checked.insert(number, digest)),
                (Some(_), None) => self.error(&place, "must be 32 bytes in hexadecimal, not empty"),
                (None, _) => self.error(&place, "is no PCR; their numbers are 0 to 23"),
            }
        }
        checked
    }
}

fn tcb(written: &written::SnpTcb) -> SnpTcb {
    SnpTcb {
        fmc: written.fmc,
        bootloader: written.bootloader.unwrap_or_default(),
        tee: written.tee.unwrap_or_default(),
        snp: written.snp.unwrap_or_default(),
        microcode: written.microcode.unwrap_or_default(),
    }
}
