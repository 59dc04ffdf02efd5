//! nncert-bounds
