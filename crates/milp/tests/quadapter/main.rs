//! Strategies of bit-widths: laws without slack, and oracles that are not ours.

mod certify;
mod deployment;
mod preimages;
mod small;
mod synthesis;
