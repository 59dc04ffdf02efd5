//! nncert
