//! The only unsafe code of the workspace: questions to the drivers of TEEs by ioctl(2).
//!
//! Each function moves bytes between buffers of the caller and a driver, and decides nothing. What must hold of a
//! driver: it reads and writes what its interface says and no more. The drivers are the kernel's, or the library
//! operating system's that shares our enclave, and both could do anything to this process anyway.

#![allow(unsafe_code, reason = "ioctl(2) hands pointers to drivers, which the compiler cannot check")]

use std::fs::File;
use std::io;

use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};

/// Size of an SGX key request (Intel SDM volume 3D, section 38.18, KEYREQUEST).
pub(crate) const KEY_REQUEST_BYTES: usize = 512;

/// Size of an SGX report (Intel SDM volume 3D, section 38.15, REPORT).
pub(crate) const SGX_REPORT_BYTES: usize = 432;

/// Sizes of SEV-SNP guest requests and answers (Linux, `include/uapi/linux/sev-guest.h`).
pub(crate) const REPORT_REQUEST_BYTES: usize = 96;
pub(crate) const REPORT_ANSWER_BYTES: usize = 4000;
pub(crate) const DERIVED_KEY_REQUEST_BYTES: usize = 32;
pub(crate) const DERIVED_KEY_ANSWER_BYTES: usize = 64;
/// Size of the table of certificates that the host may give: whole pages, and no more than the driver takes.
pub(crate) const CERTIFICATES_BYTES: usize = 16 * 1024;

/// How many bytes a quote has at most: Occlum's `SGXIOC_GET_DCAP_QUOTE_SIZE`.
pub(crate) fn sgx_quote_bytes(device: &File) -> io::Result<u32> {
    const SIZE: Opcode = opcode::read::<u32>(b's', 7);
    // SAFETY: this question of Occlum's takes a pointer to a u32 and writes it; any value is valid.
    Ok(unsafe { ioctl(device, Getter::<SIZE, u32>::new()) }?)
}

/// `sgxioc_gen_dcap_quote_arg_t`.
#[repr(C)]
struct QuoteArgument {
    report_data: *const u8,
    quote_bytes: *mut u32,
    quote: *mut u8,
}

/// A quote over `report_data` into `quote`; how many bytes the driver says it has: Occlum's `SGXIOC_GEN_DCAP_QUOTE`.
pub(crate) fn sgx_quote(device: &File, report_data: &[u8; 64], quote: &mut [u8]) -> io::Result<u32> {
    const QUOTE: Opcode = opcode::read_write::<QuoteArgument>(b's', 8);
    let mut bytes = u32::try_from(quote.len()).map_err(io::Error::other)?;
    let mut argument = QuoteArgument {
        report_data: report_data.as_ptr(),
        quote_bytes: &raw mut bytes,
        quote: quote.as_mut_ptr(),
    };
    // SAFETY: the driver reads 64 bytes of report data, reads and writes the length, and writes at most that many bytes
    // of the quote. All three outlive the call, and nothing else refers to the two that it writes.
    unsafe { ioctl(device, Updater::<QUOTE, _>::new(&mut argument)) }?;
    Ok(bytes)
}

/// `sgxioc_create_report_arg_t`.
#[repr(C)]
struct ReportArgument {
    target_info: *const u8,
    report_data: *const u8,
    report: *mut u8,
}

/// As the instruction EREPORT aligns it.
#[repr(C, align(512))]
struct AlignedReport([u8; SGX_REPORT_BYTES]);

/// The enclave's report about itself, for nobody in particular: Occlum's `SGXIOC_CREATE_REPORT`, which is the instruction
/// EREPORT.
pub(crate) fn sgx_report(device: &File, report: &mut [u8; SGX_REPORT_BYTES]) -> io::Result<()> {
    const REPORT: Opcode = opcode::read_write::<ReportArgument>(b's', 4);
    let mut made = AlignedReport([0; SGX_REPORT_BYTES]);
    let (none, into) = (std::ptr::null(), made.0.as_mut_ptr());
    let mut argument = ReportArgument { target_info: none, report_data: none, report: into };
    // SAFETY: target and report data may be left out by null; the driver writes a report of 432 bytes, which outlives the
    // call, and nothing else refers to it.
    unsafe { ioctl(device, Updater::<REPORT, _>::new(&mut argument)) }?;
    *report = made.0;
    Ok(())
}

/// `sgxioc_get_key_arg_t`.
#[repr(C)]
struct KeyArgument {
    request: *const u8,
    key: *mut u8,
}

/// One of the enclave's keys into `key`: Occlum's `SGXIOC_GET_KEY`, which is the instruction EGETKEY.
pub(crate) fn sgx_key(
    device: &File,
    request: &[u8; KEY_REQUEST_BYTES],
    key: &mut [u8; 16],
) -> io::Result<()> {
    const KEY: Opcode = opcode::read_write::<KeyArgument>(b's', 11);
    let mut argument = KeyArgument { request: request.as_ptr(), key: key.as_mut_ptr() };
    // SAFETY: the driver reads a request of 512 bytes and writes a key of 16. Both outlive the call, and nothing else
    // refers to the key.
    Ok(unsafe { ioctl(device, Updater::<KEY, _>::new(&mut argument)) }?)
}

/// `struct snp_guest_request_ioctl`.
#[repr(C)]
struct GuestRequest {
    message_version: u8,
    request: u64,
    answer: u64,
    firmware_error: u64,
}

impl GuestRequest {
    fn new<T, const M: usize>(request: *const T, answer: &mut [u8; M]) -> Self {
        let (request, answer) = (request as u64, answer.as_mut_ptr() as u64);
        Self { message_version: 1, request, answer, firmware_error: 0 }
    }
}

/// `struct snp_ext_report_req`.
#[repr(C)]
struct ExtendedRequest {
    report: [u8; REPORT_REQUEST_BYTES],
    certificates: u64,
    certificates_bytes: u32,
}

/// An attestation report: `SNP_GET_REPORT`.
pub(crate) fn snp_report(
    device: &File,
    request: &[u8; REPORT_REQUEST_BYTES],
    answer: &mut [u8; REPORT_ANSWER_BYTES],
) -> io::Result<()> {
    const REPORT: Opcode = opcode::read_write::<GuestRequest>(b'S', 0);
    let mut argument = GuestRequest::new(request.as_ptr(), answer);
    // SAFETY: the driver reads `struct snp_report_req` (96 bytes) and writes `struct snp_report_resp` (4000 bytes). Both
    // outlive the call, and nothing else refers to the answer.
    Ok(unsafe { ioctl(device, Updater::<REPORT, _>::new(&mut argument)) }?)
}

/// An attestation report with what the host has of certificates for it: `SNP_GET_EXT_REPORT`.
pub(crate) fn snp_extended_report(
    device: &File,
    request: &[u8; REPORT_REQUEST_BYTES],
    answer: &mut [u8; REPORT_ANSWER_BYTES],
    certificates: &mut [u8; CERTIFICATES_BYTES],
) -> io::Result<()> {
    const EXTENDED: Opcode = opcode::read_write::<GuestRequest>(b'S', 2);
    let mut extended = ExtendedRequest {
        report: *request,
        certificates: certificates.as_mut_ptr() as u64,
        certificates_bytes: CERTIFICATES_BYTES as u32,
    };
    let mut argument = GuestRequest::new(&raw mut extended, answer);
    // SAFETY: the driver reads `struct snp_ext_report_req` and may write the length in it, writes `struct
    // snp_report_resp` (4000 bytes) and at most as many bytes of certificates as that length said when it read it. All
    // three outlive the call, and nothing else refers to what it writes.
    Ok(unsafe { ioctl(device, Updater::<EXTENDED, _>::new(&mut argument)) }?)
}

/// A key that only this guest gets: `SNP_GET_DERIVED_KEY`.
pub(crate) fn snp_derived_key(
    device: &File,
    request: &[u8; DERIVED_KEY_REQUEST_BYTES],
    answer: &mut [u8; DERIVED_KEY_ANSWER_BYTES],
) -> io::Result<()> {
    const KEY: Opcode = opcode::read_write::<GuestRequest>(b'S', 1);
    let mut argument = GuestRequest::new(request.as_ptr(), answer);
    // SAFETY: the driver reads `struct snp_derived_key_req` (32 bytes) and writes `struct snp_derived_key_resp` (64
    // bytes). Both outlive the call, and nothing else refers to the answer.
    Ok(unsafe { ioctl(device, Updater::<KEY, _>::new(&mut argument)) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_headers() {
        assert_eq!(opcode::read_write::<ReportArgument>(b's', 4), 0xc018_7304);
        assert_eq!(opcode::read::<u32>(b's', 7), 0x8004_7307);
        assert_eq!(opcode::read_write::<QuoteArgument>(b's', 8), 0xc018_7308);
        assert_eq!(opcode::read_write::<KeyArgument>(b's', 11), 0xc010_730b);
        assert_eq!(opcode::read_write::<GuestRequest>(b'S', 0), 0xc020_5300);
        assert_eq!(opcode::read_write::<GuestRequest>(b'S', 1), 0xc020_5301);
        assert_eq!(opcode::read_write::<GuestRequest>(b'S', 2), 0xc020_5302);
        let extended = (size_of::<ExtendedRequest>(), std::mem::offset_of!(ExtendedRequest, certificates));
        assert_eq!(extended, (112, REPORT_REQUEST_BYTES));
    }

    #[test]
    fn a_file_that_is_no_driver_answers_none_of_them() {
        let file = File::open("/dev/null").unwrap();
        let refused = |answer: io::Result<()>| answer.unwrap_err().raw_os_error() == Some(25); // ENOTTY
        assert!(refused(sgx_quote_bytes(&file).map(drop)));
        assert!(refused(sgx_quote(&file, &[0; 64], &mut [0; 8]).map(drop)));
        assert!(refused(sgx_report(&file, &mut [0; SGX_REPORT_BYTES])));
        assert!(refused(sgx_key(&file, &[0; KEY_REQUEST_BYTES], &mut [0; 16])));
        assert!(refused(snp_report(&file, &[0; REPORT_REQUEST_BYTES], &mut [0; REPORT_ANSWER_BYTES])));
        let (mut report, mut table) = ([0; REPORT_ANSWER_BYTES], [0; CERTIFICATES_BYTES]);
        assert!(refused(snp_extended_report(&file, &[0; REPORT_REQUEST_BYTES], &mut report, &mut table)));
        let key = snp_derived_key(&file, &[0; DERIVED_KEY_REQUEST_BYTES], &mut [0; DERIVED_KEY_ANSWER_BYTES]);
        assert!(refused(key));
    }
}
