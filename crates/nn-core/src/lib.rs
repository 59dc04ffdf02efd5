//! nncert-core
