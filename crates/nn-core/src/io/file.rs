//! Paths: reading a whole file within a limit, and writing one.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{DatasetError, fixed_point, nnet, safetensors};
use crate::Network;

/// The largest file that is read, in bytes (1 GiB).
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads a network from a file, in the format that its extension names.
///
/// `.nnet`, `.safetensors` and, with the feature `onnx`, `.onnx`, in either case. The normalisation of a `.nnet` file
/// is left out: [`nnet::read`] keeps it.
///
/// # Errors
///
/// [`ReadError`] for a file that cannot be read, is too large, has another
/// extension or does not hold a network.
///
/// # Examples
///
/// ```no_run
/// let network = nncert_core::io::read_network("model.safetensors")?;
/// println!("{network}");
/// # Ok::<(), nncert_core::io::ReadError>(())
/// ```
pub fn read_network(path: impl AsRef<Path>) -> Result<Network, ReadError> {
    let path = path.as_ref();
    let is = |name| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(name));
    if is("nnet") {
        Ok(nnet::read(path)?.network)
    } else if is("safetensors") {
        safetensors::read(path)
    } else {
        #[cfg(feature = "onnx")]
        if is("onnx") {
            return super::onnx::read(path);
        }
        Err(ReadError { path: path.to_owned(), cause: ReadCause::Extension })
    }
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: ReadCause,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadCause {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// More than [`MAX_FILE_BYTES`].
    #[error("the file has more than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The extension is that of no format.
    #[cfg_attr(feature = "onnx", error("the extension is neither .nnet, .safetensors nor .onnx"))]
    #[cfg_attr(not(feature = "onnx"), error("the extension is neither .nnet nor .safetensors"))]
    Extension,
    /// The text is not an NNet network.
    #[error(transparent)]
    Nnet(#[from] nnet::NnetError),
    /// The tensors are not a network.
    #[error(transparent)]
    Safetensors(#[from] safetensors::SafetensorsError),
    /// The model is not a network that is read.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Onnx(#[from] super::onnx::OnnxError),
    /// The tensors or their description are not a network in integers.
    #[error(transparent)]
    FixedPoint(#[from] fixed_point::FixedPointFileError),
    /// The tensors are not a dataset.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    pub cause: WriteCause,
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteCause {
    /// The file system said no.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The NNet format cannot hold it.
    #[error(transparent)]
    Nnet(#[from] nnet::NnetWriteError),
    /// The safetensors naming or the precision cannot hold it.
    #[error(transparent)]
    Safetensors(#[from] safetensors::SafetensorsWriteError),
    /// The container of a network in integers cannot be written.
    #[error(transparent)]
    FixedPoint(#[from] fixed_point::FixedPointWriteError),
}

/// Reads the file and hands its bytes to `parse`.
pub(super) fn read_with<T, E: Into<ReadCause>>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, ReadError> {
    bytes_within(path, MAX_FILE_BYTES)
        .and_then(|bytes| parse(&bytes).map_err(Into::into))
        .map_err(|cause| ReadError { path: path.to_owned(), cause })
}

/// Writes bytes, or says which file has no bytes to write.
pub(super) fn write_bytes(
    path: &Path,
    bytes: Result<impl AsRef<[u8]>, impl Into<WriteCause>>,
) -> Result<(), WriteError> {
    bytes
        .map_err(Into::into)
        .and_then(|bytes| Ok(std::fs::write(path, bytes)?))
        .map_err(|cause| WriteError { path: path.to_owned(), cause })
}

/// The length that the file system states is asked first, and not trusted: a
/// pipe or a file that grows states too little.
fn bytes_within(path: &Path, limit: u64) -> Result<Vec<u8>, ReadCause> {
    let file = File::open(path)?;
    if file.metadata()?.len() > limit {
        return Err(ReadCause::TooLarge { limit });
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadCause::TooLarge { limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_length_that_is_read() {
        let path = std::env::temp_dir().join(format!("nncert-limit-{}", std::process::id()));
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(bytes_within(&path, 5).unwrap(), b"12345");
        assert!(matches!(bytes_within(&path, 4), Err(ReadCause::TooLarge { limit: 4 })));
        std::fs::remove_file(&path).unwrap();
    }

    /// Its stated length is zero, and it never ends.
    #[cfg(unix)]
    #[test]
    fn a_file_without_end_stops_at_the_limit() {
        let endless = bytes_within(Path::new("/dev/zero"), 1000);
        assert!(matches!(endless, Err(ReadCause::TooLarge { limit: 1000 })));
    }
}
