//! nncert-similarity
