//! Caches: what is written is read, whatever else is there is named.

use nncert_smoothing::{
    BatchClassifier, Cache, CacheError, CacheField, CachePart, CacheReader, ErrorBudget,
    FnClassifier, Incremental, IncrementalError, Input, Noise, RecordOptions, Smoothed, Smoothing,
    TransferOptions,
};
use proptest::prelude::*;
use std::io::Cursor;

fn classifier(name: &str) -> impl BatchClassifier {
    FnClassifier::new(3, 4, name, |batch| {
        let label = |x: f32| ((x * 2.0 + 2.0).floor().clamp(0.0, 3.0)) as usize;
        batch.column_iter().map(|x| label(x.sum())).collect()
    })
}

fn smoothing(sigma: f64, seed: u64) -> Smoothing {
    Smoothing::new(Noise::Gaussian, sigma, seed).unwrap()
}

fn input(id: u64) -> Input<'static> {
    Input { id, values: &[0.1, 0.2, -0.3] }
}

fn shard(id: u64, first: u64, samples: u64) -> Cache {
    let smoothed = Smoothed::new(classifier("a"), smoothing(0.25, 5)).unwrap();
    let mut cache = Cache::new(&smoothed);
    let options = RecordOptions { first, samples, selection: 20, batch: 16, margins: false };
    cache.insert(smoothed.record(input(id), &options).unwrap()).unwrap();
    cache
}

fn merged<'a>(shards: impl IntoIterator<Item = &'a Cache>) -> Cache {
    let mut shards = shards.into_iter().cloned();
    let mut cache = shards.next().unwrap();
    shards.for_each(|shard| cache.merge(shard).unwrap());
    cache
}

#[test]
fn shards_merge_in_any_order() {
    let shards: Vec<Cache> = [(0, 0, 50), (0, 50, 33), (1, 0, 40), (0, 200, 10), (1, 100, 1)]
        .map(|(id, first, samples)| shard(id, first, samples))
        .into();
    let whole = merged(&shards);
    assert_eq!(whole, merged(shards.iter().rev()));
    let (left, right) = (merged(&shards[..2]), merged(&shards[2..]));
    assert_eq!(whole, merged([&right, &left]));
    assert_eq!(whole, merged([&whole, &left, &whole]));
    assert_eq!(whole.get(0).unwrap().count().trials(), 93);
    assert_eq!(whole.to_bytes(), merged(shards.iter().rev()).to_bytes());
    // One range or two: the same samples.
    let (one, two) = (shard(0, 0, 83), merged(&shards[..2]));
    assert!(one.get(0).unwrap().labels().eq(two.get(0).unwrap().labels()));
}

#[test]
fn shards_that_do_not_fit_are_named() {
    let mut cache = shard(0, 0, 50);
    let error = cache.merge(shard(0, 49, 10)).unwrap_err();
    assert!(matches!(error, CacheError::Overlap { id: 0, first: 49 }), "{error}");
    // A failed merge changes nothing.
    assert_eq!(cache, shard(0, 0, 50));
    let other = |name, sigma, seed| {
        Cache::new(&Smoothed::new(classifier(name), smoothing(sigma, seed)).unwrap())
    };
    for (other, expected) in [
        (other("b", 0.25, 5), CacheField::Classifier),
        (other("a", 0.5, 5), CacheField::Sigma),
        (other("a", 0.25, 6), CacheField::Seed),
    ] {
        let error = cache.merge(other).unwrap_err();
        assert!(matches!(error, CacheError::Mismatch { field } if field == expected), "{error}");
    }
    let smoothed = Smoothed::new(classifier("a"), smoothing(0.25, 5)).unwrap();
    let options = RecordOptions { first: 50, samples: 5, selection: 21, batch: 16, margins: false };
    let recorded = smoothed.record(input(0), &options).unwrap();
    assert!(matches!(cache.insert(recorded), Err(CacheError::Conflict { id: 0, .. })));
    let moved = Input { id: 0, values: &[0.1, 0.2, -0.4] };
    let recorded = smoothed.record(moved, &RecordOptions { selection: 20, ..options }).unwrap();
    assert!(matches!(cache.insert(recorded), Err(CacheError::Conflict { id: 0, what: "values" })));
}

#[test]
fn a_cache_of_something_else_carries_nothing_over() {
    let cache = shard(0, 0, 50);
    let budget = || ErrorBudget::new(0.01, 1).unwrap();
    let new = |name, sigma, seed| {
        Incremental::new(&cache, classifier(name).fingerprint(), &smoothing(sigma, seed), budget())
    };
    for (found, expected) in [
        (new("b", 0.25, 5), CacheField::Classifier),
        (new("a", 0.251, 5), CacheField::Sigma),
        (new("a", 0.25, 4), CacheField::Seed),
    ] {
        let error = found.unwrap_err();
        let IncrementalError::Cache(CacheError::Mismatch { field }) = error else {
            panic!("{error}")
        };
        assert_eq!(field, expected);
    }
    let mut incremental = new("a", 0.25, 5).unwrap();
    let options = TransferOptions { samples: 20, ..Default::default() };
    let mut run = |input| incremental.certify_incremental(&classifier("c"), input, &options);
    assert!(run(input(0)).is_ok());
    let moved = Input { id: 0, values: &[0.1, 0.2, 0.3] };
    for (found, expected) in [(run(moved), "another input"), (run(input(1)), "not in the cache")] {
        assert!(found.unwrap_err().to_string().contains(expected));
    }
    // The budget was for one model, which has had its share.
    let error = incremental.certify_incremental(&classifier("d"), input(0), &options).unwrap_err();
    assert!(matches!(error, IncrementalError::Budget(_)), "{error}");
}

#[test]
fn files_are_replaced_whole_and_read_in_part() {
    let folder = std::env::temp_dir().join(format!("nncert-smoothing-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("cache");
    let cache = merged(&[shard(3, 0, 50), shard(9, 10, 33), shard(3, 77, 5)]);
    shard(1, 0, 5).write(&path).unwrap();
    cache.write(&path).unwrap();
    assert_eq!(Cache::read(&path).unwrap(), cache);
    let mut reader = CacheReader::open(&path).unwrap();
    assert!(reader.ids().eq([3, 9]));
    assert_eq!(reader.read(9).unwrap(), *cache.get(9).unwrap());
    assert!(matches!(reader.read(4), Err(CacheError::NoInput { id: 4 })));
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let nowhere = folder.join("missing").join("cache");
    assert!(matches!(cache.write(&nowhere), Err(CacheError::File { .. })));
    assert!(matches!(Cache::read(&nowhere), Err(CacheError::File { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn parse(bytes: Vec<u8>) -> Result<Cache, CacheError> {
    CacheReader::from_source(Cursor::new(bytes))?.read_all()
}

#[test]
fn every_cut_and_every_flipped_bit_is_found() {
    let cache = merged(&[shard(3, 0, 50), shard(9, 10, 33)]);
    let bytes = cache.to_bytes();
    assert_eq!(parse(bytes.clone()).unwrap(), cache);
    for length in 0..bytes.len() {
        let error = parse(bytes[..length].to_vec()).unwrap_err();
        let named = matches!(error, CacheError::Truncated { .. } | CacheError::NoCache);
        assert!(named, "{length}: {error}");
    }
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let error = parse(changed).unwrap_err();
            let named = match place {
                0..8 => matches!(error, CacheError::NoCache),
                8..12 => matches!(error, CacheError::Version { .. }),
                12..20 => matches!(
                    error,
                    CacheError::Truncated { part: CachePart::Header, .. }
                        | CacheError::Corrupt { part: CachePart::Header }
                ),
                _ => matches!(error, CacheError::Corrupt { .. }),
            };
            assert!(named, "byte {place}: {error}");
        }
    }
}

/// An undamaged input can be read from a file in which another is damaged.
#[test]
fn damage_stays_where_it_is() {
    let cache = merged(&[shard(3, 0, 50), shard(9, 10, 33)]);
    let mut bytes = cache.to_bytes();
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    let mut reader = CacheReader::from_source(Cursor::new(bytes)).unwrap();
    assert_eq!(reader.read(3).unwrap(), *cache.get(3).unwrap());
    let error = reader.read(9).unwrap_err();
    assert!(matches!(error, CacheError::Corrupt { part: CachePart::Input { id: 9 } }), "{error}");
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(&bytes);
    bytes.extend(&digest[..16]);
    bytes
}

proptest! {
    /// Bytes with the right digests and anything else in them: an error, and no panic.
    #[test]
    fn hostile_headers_are_refused(
        tail in prop::collection::vec(any::<u8>(), 0..160),
        place in 0_usize..140,
        value in any::<u64>(),
    ) {
        let _ = parse(tail.clone());
        let bytes = shard(3, 0, 50).to_bytes();
        // A number in the header changed, and the header sealed again.
        let end = 20 + u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
        let mut header = bytes[..end].to_vec();
        let place = 20 + place % (end - 28);
        header[place..place + 8].copy_from_slice(&value.to_le_bytes());
        let mut changed = sealed(header);
        changed.extend(&bytes[end + 16..]);
        if let Ok(mut reader) = CacheReader::from_source(Cursor::new(changed)) {
            for id in reader.ids().collect::<Vec<_>>() {
                let _ = reader.read(id);
            }
        }
        // And one in the input.
        let body = &bytes[end + 16..bytes.len() - 16];
        let mut body = body.to_vec();
        let place = place % (body.len() - 8);
        body[place..place + 8].copy_from_slice(&value.to_le_bytes());
        let changed = [&bytes[..end + 16], &sealed(body)[..]].concat();
        if let Ok(cache) = parse(changed) {
            let input = cache.get(3).unwrap();
            prop_assert!(input.count().trials() >= input.count().successes());
        }
    }
}
