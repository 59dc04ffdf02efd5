//! nncert-prob
