//! Taking operations back leaves a builder as if they had never been pushed.

use pelton_batch::{OpKind, Operation, OperationsBuilder};

/// Kinds that ask for no column of their own.
const KINDS: [OpKind; 5] =
    [OpKind::Emit, OpKind::CancelTimer, OpKind::Reject, OpKind::Retry, OpKind::PurgeWindow];
const VALUES: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"value")];

/// The operation number `seed`: every column is used by some and left out by others.
fn push(builder: &mut OperationsBuilder, seed: usize) {
    if seed.is_multiple_of(7) {
        return builder.forward(seed as u32, 0);
    }
    builder.push(&Operation {
        row: 0,
        kind: KINDS[seed % KINDS.len()],
        cause: seed as u32,
        target: (seed % 3) as u16,
        key: VALUES[seed % 3],
        value: VALUES[seed / 3 % 3],
        timestamp: seed.is_multiple_of(5).then_some(seed as i64),
        partition: seed.is_multiple_of(11).then_some(seed as u32),
        ttl: (seed % 4) as i64,
        schema: (seed % 2) as u32,
    });
    for header in 0..seed % 3 {
        builder.header("name", VALUES[(seed + header) % 3]);
    }
}

#[test]
fn what_is_taken_back_leaves_no_trace() {
    for first in 0..40 {
        for kept in 0..20 {
            for taken_back in [0, 1, 3, 9] {
                let mut straight = OperationsBuilder::new();
                let mut winding = OperationsBuilder::new();
                for builder in [&mut straight, &mut winding] {
                    (0..kept).for_each(|at| push(builder, first + at));
                }
                (0..taken_back).for_each(|at| push(&mut winding, 100 + first + at));
                winding.truncate(kept);
                for builder in [&mut straight, &mut winding] {
                    (0..5).for_each(|at| push(builder, first * 3 + at));
                }
                let (straight, winding) = (straight.finish(), winding.finish());
                same_operations(&straight, &winding);
            }
        }
    }
}

/// The same operations; a column that only what was taken back had used may be left, all default.
fn same_operations(a: &[u8], b: &[u8]) {
    let parse = |bytes| pelton_batch::Batch::parse(bytes).expect("a batch");
    parse(b).validate().expect("a valid batch");
    let operations = |bytes| parse(bytes).operations().expect("operations");
    let (a, b) = (operations(a), operations(b));
    assert_eq!(a.len(), b.len());
    for (left, right) in a.iter().zip(b.iter()) {
        assert_eq!(format!("{left:?}"), format!("{right:?}"));
        let headers = |all: &pelton_batch::Operations<'_>| {
            let headers = all.headers(left.row);
            headers.map(|h| (h.name.to_owned(), h.value.map(<[u8]>::to_vec))).collect::<Vec<_>>()
        };
        assert_eq!(headers(&a), headers(&b));
    }
}
