//! The file of a cache.
//!
//! ```text
//! magic "NNCERTSC"   version u32   length of the header u64
//! header:  seed u64   noise u8   levels u32   clamped u8   sigma f64   classifier [32]   classes u64   inputs u64
//!          number of inputs u64,   then for each   id u64   place u64   length u64
//! digest of all bytes so far [16]
//! each input:  id u64   digest of its values [32]   class u64   selection: successes u64, trials u64   ranges u64
//!              margins of the selection: u64, and as many bytes; reach of its samples
//!              each range:  first u64   samples u64   count of each class u64 ...   bits, ⌈samples/8⌉ bytes
//!              margins: 0 or 1 as u8, and then as many bytes as samples, and the reach of the samples
//!              digest of the input [16]
//! reach:       greatest norm of a sample f32   layers u32   for each   greatest norm f32   greatest distance f32
//! ```
//!
//! Little-endian; digests are the first half of a SHA-256. Places count from the beginning of the file, so that one input is read
//! without the others. A reader allocates no more than the file is long, whatever the file says.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nncert_prob::Count;
use sha2::{Digest, Sha256};

use super::codec::{Reader, Writer};
use super::error::CachePart;
use super::labels::Labels;
use super::margins::Margins;
use super::{Cache, CacheError, CacheKey, CachedInput, Segment};
use crate::reach::{LayerReach, Reach};
use crate::{Fingerprint, Noise};

/// The version of the format that is written and read.
pub const CACHE_VERSION: u32 = 4;

const MAGIC: &[u8; 8] = b"NNCERTSC";
/// Magic, version and the length of the header.
const PREFIX: u64 = 20;
const DIGEST: usize = 16;

/// A cache on disk, of which inputs are read one at a time.
///
/// # Examples
/// ```no_run
/// use nncert_smoothing::CacheReader;
///
/// let mut reader = CacheReader::open("resnet20.smoothing")?;
/// println!("{} inputs, sigma {}", reader.ids().count(), reader.key().sigma);
/// let input = reader.read(17)?;
/// # Ok::<(), nncert_smoothing::CacheError>(())
/// ```
#[derive(Debug)]
pub struct CacheReader<R = File> {
    source: R,
    path: PathBuf,
    length: u64,
    key: CacheKey,

    index: Index,
}

impl CacheReader<File> {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// [`CacheError`] for a file that cannot be read, is no cache, has another version, is cut short, corrupt or malformed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        let path = path.as_ref();
        let failed = |source| CacheError::File { path: path.to_owned(), source };
        Self::new(File::open(path).map_err(failed)?, path.to_owned())
    }
}

impl<R: Read + Seek> CacheReader<R> {
    /// Reads the header of a cache from anything that can be sought in.
    ///
    /// # Errors
    /// As [`CacheReader::open`].
    pub fn from_source(source: R) -> Result<Self, CacheError> {
        Self::new(source, PathBuf::from("cache"))
    }

    fn new(mut source: R, path: PathBuf) -> Result<Self, CacheError> {
        let failed = |source| CacheError::File { path: path.clone(), source };
        let length = source.seek(SeekFrom::End(0)).map_err(failed)?;
        let prefix = read_at(&mut source, 0, PREFIX.min(length)).map_err(failed)?;
        if !prefix.starts_with(MAGIC) {
            return Err(CacheError::NoCache);
        }
        let part = CachePart::Header;
        let truncated = || CacheError::Truncated { part, length };
        let mut reader = Reader(&prefix[MAGIC.len()..]);
        let found = reader.u32().ok_or_else(truncated)?;
        if found != CACHE_VERSION {
            return Err(CacheError::Version { found, expected: CACHE_VERSION });
        }
        let header = reader.u64().ok_or_else(truncated)?;
        let whole = header.checked_add(PREFIX).and_then(|end| end.checked_add(DIGEST as u64));
        let whole = whole.filter(|end| *end <= length).ok_or_else(truncated)?;
        let bytes = read_at(&mut source, 0, whole).map_err(failed)?;
        let body = checked(&bytes).ok_or(CacheError::Corrupt { part })?;
        let malformed = CacheError::Malformed { part, what: "its fields" };
        let (key, index) = read_header(&body[PREFIX as usize..]).ok_or(malformed)?;
        if !index.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(CacheError::Malformed { part, what: "inputs out of order" });
        }
        Ok(Self { source, path, length, key, index })
    }

    /// What all inputs have in common.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }

    /// The numbers of the inputs.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = u64> {
        self.index.iter().map(|(id, _, _)| *id)
    }

    /// Reads one input.
    ///
    /// # Errors
    /// [`CacheError`] for an input that is not there, and for one that is cut short, corrupt or malformed.
    pub fn read(&mut self, id: u64) -> Result<CachedInput, CacheError> {
        let place = self.index.binary_search_by_key(&id, |entry| entry.0);
        let (_, place, size) = self.index[place.map_err(|_| CacheError::NoInput { id })?];
        let part = CachePart::Input { id };
        if place.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(CacheError::Truncated { part, length: self.length });
        }
        let failed = |source| CacheError::File { path: self.path.clone(), source };
        let bytes = read_at(&mut self.source, place, size).map_err(failed)?;
        let body = checked(&bytes).ok_or(CacheError::Corrupt { part })?;
        let input = read_input(body, self.key);
        let input = input.map_err(|what| CacheError::Malformed { part, what })?;
        if input.id != id {
            return Err(CacheError::Malformed { part, what: "the number of another input" });
        }
        input.check()?;
        Ok(input)
    }

    /// Reads all inputs.
    ///
    /// # Errors
    /// As [`CacheReader::read`].
    pub fn read_all(&mut self) -> Result<Cache, CacheError> {
        let ids: Vec<u64> = self.ids().collect();
        let inputs = ids.into_iter().map(|id| Ok((id, self.read(id)?)));
        Ok(Cache { inputs: inputs.collect::<Result<_, CacheError>>()?, key: self.key })
    }
}

impl Cache {
    /// Reads a whole file.
    ///
    /// # Errors
    /// [`CacheError`] as [`CacheReader::open`] and [`CacheReader::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        CacheReader::open(path)?.read_all()
    }

    /// Writes a file, as a whole or not at all: under another name first, which then replaces the file.
    ///
    /// # Errors
    /// [`CacheError::File`] when the system refuses.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), CacheError> {
        let path = path.as_ref();
        let failed = |source| CacheError::File { path: path.to_owned(), source };
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let written = File::create(&partial).and_then(|mut file| {
            file.write_all(&self.to_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, path)
        });
        if written.is_err() {
            // What is left behind helps nobody; the first error is the one to report.
            let _ = fs::remove_file(&partial);
        }
        written.map_err(failed)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let inputs: Vec<Vec<u8>> = self.iter().map(input_bytes).collect();
        let mut header = Writer::default();
        key_bytes(&mut header, &self.key);
        header.u64(inputs.len() as u64);
        let length = header.0.len() as u64 + 24 * inputs.len() as u64;
        let mut place = PREFIX + length + DIGEST as u64;
        for (input, bytes) in self.iter().zip(&inputs) {
            header.u64(input.id);
            header.u64(place);
            header.u64(bytes.len() as u64);
            place += bytes.len() as u64;
        }
        let mut file = Writer::default();
        file.bytes(MAGIC);
        file.u32(CACHE_VERSION);
        file.u64(length);
        file.bytes(&header.0);
        let mut bytes = sealed(file.0);
        inputs.iter().for_each(|input| bytes.extend(input));
        bytes
    }
}

fn read_at<R: Read + Seek>(source: &mut R, place: u64, size: u64) -> std::io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(place))?;
    // The caller has compared the size with that of the file.
    let mut bytes = vec![0; usize::try_from(size).map_err(std::io::Error::other)?];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    let whole: [u8; 32] = Sha256::digest(bytes).into();
    core::array::from_fn(|index| whole[index])
}

/// With their digest.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = digest(&bytes);
    bytes.extend(digest);
    bytes
}

/// Without it, if it matches.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (body, found) = bytes.split_last_chunk::<DIGEST>()?;
    (digest(body) == *found).then_some(body)
}

fn key_bytes(writer: &mut Writer, key: &CacheKey) {
    let (noise, levels, clamped) = match key.noise {
        Noise::Gaussian => (0, 0, false),
        Noise::Grid { levels, clamped } => (1, levels, clamped),
    };
    writer.u64(key.seed);
    writer.u8(noise);
    writer.u32(levels);
    writer.u8(clamped.into());
    writer.u64(key.sigma.to_bits());
    writer.bytes(key.classifier.bytes());
    writer.u64(key.classes as u64);
    writer.u64(key.inputs as u64);
}

/// Id, place and length of each input, by id.
type Index = Vec<(u64, u64, u64)>;

/// The key and the places of the inputs.
fn read_header(bytes: &[u8]) -> Option<(CacheKey, Index)> {
    let mut reader = Reader(bytes);
    let seed = reader.u64()?;
    let noise = match (reader.u8()?, reader.u32()?, reader.u8()?) {
        (0, 0, 0) => Noise::Gaussian,
        (1, levels, clamped @ 0..=1) => Noise::Grid { levels, clamped: clamped == 1 },
        _ => return None,
    };
    let sigma = f64::from_bits(reader.u64()?);
    let classifier = Fingerprint::from_bytes(reader.array()?);
    let classes = usize::try_from(reader.u64()?).ok()?;
    let inputs = usize::try_from(reader.u64()?).ok()?;
    let key = CacheKey { seed, noise, sigma, classifier, classes, inputs };
    // Noise and classes as they are checked anywhere else.
    key.smoothing().ok()?;
    crate::run::check_classes(classes).ok()?;
    let count = reader.u64()?;
    if reader.0.len() as u64 != count.checked_mul(24)? {
        return None;
    }
    let entry = |_| Some((reader.u64()?, reader.u64()?, reader.u64()?));
    Some((key, (0..count).map(entry).collect::<Option<_>>()?))
}

fn input_bytes(input: &CachedInput) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u64(input.id);
    writer.bytes(&input.digest);
    writer.u64(input.class as u64);
    writer.u64(input.selection.successes());
    writer.u64(input.selection.trials());
    writer.u64(input.segments.len() as u64);
    writer.u64(input.selection_margins.0.len() as u64);
    writer.bytes(&input.selection_margins.0);
    reach_bytes(&mut writer, &input.selection_reach);
    for segment in &input.segments {
        writer.u64(segment.first);
        writer.u64(segment.labels.len());
        segment.counts.iter().for_each(|count| writer.u64(*count));
        writer.bytes(segment.labels.bytes());
        writer.u8(u8::from(!segment.margins.0.is_empty()));
        writer.bytes(&segment.margins.0);
        if !segment.margins.0.is_empty() {
            reach_bytes(&mut writer, &segment.reach);
        }
    }
    sealed(writer.0)
}

fn reach_bytes(writer: &mut Writer, reach: &Reach) {
    writer.u32(reach.sample.to_bits());
    // A network has fewer layers.
    writer.u32(u32::try_from(reach.layers.len()).unwrap_or(0));
    for layer in &reach.layers {
        writer.u32(layer.norm.to_bits());
        writer.u32(layer.distance.to_bits());
    }
}

fn read_reach(reader: &mut Reader<'_>) -> Result<Reach, &'static str> {
    const SHORT: &str = "it is too short";
    let number = |reader: &mut Reader<'_>| -> Result<f32, &'static str> {
        let value = f32::from_bits(reader.u32().ok_or(SHORT)?);
        if value >= 0.0 { Ok(value) } else { Err("how far its samples go") }
    };
    let sample = number(reader)?;
    let count = reader.u32().ok_or(SHORT)?;
    // Each takes bytes.
    let layers = (0..count)
        .map(|_| Ok(LayerReach { norm: number(reader)?, distance: number(reader)? }))
        .collect::<Result<Vec<_>, &'static str>>()?;
    Ok(Reach { sample, layers })
}

fn read_input(bytes: &[u8], key: CacheKey) -> Result<CachedInput, &'static str> {
    const SHORT: &str = "it is too short";
    let mut reader = Reader(bytes);
    let id = reader.u64().ok_or(SHORT)?;
    let digest = reader.array().ok_or(SHORT)?;
    let class = usize::try_from(reader.u64().ok_or(SHORT)?).map_err(|_| "its class")?;
    if class >= key.classes {
        return Err("its class");
    }
    let successes = reader.u64().ok_or(SHORT)?;
    let trials = reader.u64().ok_or(SHORT)?;
    let selection = Count::new(successes, trials).map_err(|_| "its selection samples")?;
    let ranges = reader.u64().ok_or(SHORT)?;
    let margins = reader.u64().ok_or(SHORT)?;
    let selection_margins = Margins(reader.bytes(margins).ok_or(SHORT)?.to_vec());
    if margins > trials {
        return Err("its margins");
    }
    let selection_reach = read_reach(&mut reader)?;
    let mut segments = Vec::new();
    for _ in 0..ranges {
        segments.push(read_segment(&mut reader, key, class)?);
    }
    if segments.is_empty() || !reader.is_empty() {
        return Err("its length");
    }
    Ok(CachedInput {
        key,
        id,
        digest,
        class,
        selection,
        selection_margins,
        selection_reach,
        segments,
    })
}

/// Every range takes bytes, so that no number of them reads for longer than there is something to read.
fn read_segment(
    reader: &mut Reader<'_>,
    key: CacheKey,
    class: usize,
) -> Result<Segment, &'static str> {
    const SHORT: &str = "it is too short";
    let first = reader.u64().ok_or(SHORT)?;
    let samples = reader.u64().ok_or(SHORT)?;
    if samples == 0 || first.checked_add(samples).is_none() {
        return Err("a range of samples");
    }
    let counts = (0..key.classes).map(|_| reader.u64());
    let counts: Vec<u64> = counts.collect::<Option<_>>().ok_or(SHORT)?;
    let bytes = reader.bytes(samples.div_ceil(8)).ok_or(SHORT)?;
    let labels = Labels::from_bytes(bytes, samples).ok_or("bits after the last sample")?;
    let margins = match reader.u8().ok_or(SHORT)? {
        0 => Margins::default(),
        1 => Margins(reader.bytes(samples).ok_or(SHORT)?.to_vec()),
        _ => return Err("its margins"),
    };
    let reach = if margins.0.is_empty() { Reach::unknown() } else { read_reach(reader)? };
    // A margin is that of the class: what does not have the class has none.
    if margins.0.iter().zip(labels.iter()).any(|(margin, hit)| *margin > 0 && !hit) {
        return Err("its margins");
    }
    let total = counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count));
    if total.is_none_or(|total| total > samples) || counts[class] != labels.ones() {
        return Err("its counts");
    }
    Ok(Segment { first, counts, labels, margins, reach })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reach: &Reach) -> Result<Reach, &'static str> {
        let mut writer = Writer::default();
        reach_bytes(&mut writer, reach);
        read_reach(&mut Reader(&writer.0))
    }

    /// Digests tell what was damaged, not what was made up.
    #[test]
    fn reaches_that_are_none_are_refused() {
        let layer = LayerReach { norm: 2.5, distance: f32::INFINITY };
        let reach = Reach { sample: 1.5, layers: vec![layer; 3] };
        assert_eq!(read(&reach).unwrap(), reach);
        assert_eq!(read(&Reach::unknown()).unwrap(), Reach::unknown());
        for wrong in [f32::NAN, -1.0, f32::NEG_INFINITY] {
            assert!(read(&Reach { sample: wrong, ..reach.clone() }).is_err());
            for layer in
                [LayerReach { norm: wrong, ..layer }, LayerReach { distance: wrong, ..layer }]
            {
                assert!(read(&Reach { layers: vec![layer], ..reach.clone() }).is_err());
            }
        }
        // More layers than there are bytes for.
        let mut writer = Writer::default();
        writer.u32(1.0_f32.to_bits());
        writer.u32(u32::MAX);
        writer.u64(0);
        assert!(read_reach(&mut Reader(&writer.0)).is_err());
    }
}
