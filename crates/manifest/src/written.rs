//! The manifest as it was written: one struct per JSON object, nothing checked yet. The JSON schema is
//! generated from these types.
