/** Which records are read together, and where they lie in memory then. */
import { expect, test } from 'vitest';
import { Digest } from '../../src/castore/digest.ts';
import { dataOffset, endOffset, RECORD_HEADER_BYTES } from '../../src/store/packFormat.ts';
import { LEAST_SPAN_BYTES, MOST_SPAN_BYTES, ReadAhead } from '../../src/store/readAhead.ts';
import { type RecordItem, type Span, spansOf } from '../../src/store/recordSpan.ts';

const DIGEST = Digest.of(Uint8Array.of(1));
const NOTHING: RecordItem = { record: undefined };

function item(pack: number, offset: number, encodedSize: number, size = 2 * encodedSize) {
  const location = { pack, offset, encoding: 'zstd', encodedSize, size } as const;
  return { record: { digest: DIGEST, location } };
}

/** So many records one after the other. */
function row(count: number, encodedSize: number, from = 16): RecordItem[] {
  const step = RECORD_HEADER_BYTES + encodedSize;
  return Array.from({ length: count }, (_, i) => item(1, from + i * step, encodedSize));
}

async function spans(items: readonly RecordItem[]): Promise<Span<RecordItem>[]> {
  const all = await Array.fromAsync(spansOf([items], new ReadAhead()));
  expect(all.flatMap((span) => span.items)).toEqual(items);
  for (const span of all) checkPlaces(span);
  return all;
}

/** Data lies in its extent as it does in the pack, and extents follow each other. */
function checkPlaces({ items, places, extents, blockBytes }: Span<RecordItem>): void {
  let end = 0;
  for (const extent of extents) {
    expect(extent.at).toBe(end);
    end += extent.end - extent.offset;
  }
  expect(blockBytes).toBe(end);
  let after = 0;
  for (const [i, { record }] of items.entries()) {
    const place = places[i] ?? Number.NaN;
    if (record === undefined) {
      expect(place).toBe(-1);
      continue;
    }
    const { location } = record;
    // room for what is written between frames
    expect(place).toBeGreaterThanOrEqual(after + RECORD_HEADER_BYTES);
    after = place + location.encodedSize;
    const extent = extents.find(({ at, offset, end: to }) => {
      return at + dataOffset(location) - offset === place && endOffset(location) <= to;
    });
    expect(extent?.last.pack).toBe(location.pack);
  }
}

test('neighbours are one extent', async () => {
  const [span, ...others] = await spans(row(20, 1000));
  expect(others).toEqual([]);
  expect(span?.extents).toHaveLength(1);
  expect(span?.contentBytes).toBe(40_000);
  expect(span?.blockBytes).toBe(20 * (RECORD_HEADER_BYTES + 1000));
});

test('the first span is short, later ones are longer', async () => {
  const all = await spans(row(100, 16 * 1024));
  const lengths = all.map((span) => span.contentBytes);
  expect(lengths[0]).toBe(LEAST_SPAN_BYTES);
  expect(lengths[1]).toBe(MOST_SPAN_BYTES);
});

test.each([
  ['a little behind', item(1, 5000, 100), 1],
  ['far behind', item(1, 5_000_000, 100), 2],
  ['before', item(1, 16, 100), 2],
  ['the same again', item(1, 2000, 100), 2],
  ['in another pack', item(2, 2144, 100), 2],
])('what lies %s', async (_, second, extents) => {
  const [span, ...others] = await spans([item(1, 2000, 100), second]);
  expect(others).toEqual([]);
  expect(span?.extents).toHaveLength(extents);
});

test('a record that is longer than a span is one of its own', async () => {
  const long = item(1, 16, MOST_SPAN_BYTES + 5);
  const all = await spans([long, item(1, endOffset(long.record.location), 10)]);
  expect(all.map(({ items }) => items.length)).toEqual([1, 1]);
});

test('what takes little room when decoded and much at rest is bounded too', async () => {
  const wide = Array.from({ length: 64 }, (_, i) => item(1, 16 + i * 60_000, 10));
  for (const { blockBytes } of await spans(wide)) {
    expect(blockBytes).toBeLessThan(2 * MOST_SPAN_BYTES);
  }
});

test('tiny records are so many at most', async () => {
  const all = await spans(row(5000, 1));
  expect(all.length).toBeGreaterThan(4);
});

test('what has no record takes its place, and memory that the caller holds counts', async () => {
  const [first, second, third] = row(3, 100);
  if (!first || !second || !third) throw new Error('no rows');
  const held = { record: undefined, heldBytes: LEAST_SPAN_BYTES };
  const all = await spans([NOTHING, first, NOTHING, second, held, third, NOTHING]);
  expect(all.map(({ items }) => items.length)).toEqual([4, 3]);
});

test('groups are asked for as they are needed', async () => {
  const asked: number[] = [];
  async function* groups() {
    for (let i = 0; i < 10; i++) {
      asked.push(i);
      yield row(8, 8 * 1024, 16 + i * 1_000_000);
    }
  }
  const all = spansOf(groups(), new ReadAhead());
  await all.next();
  expect(asked).toEqual([0, 1]);
  await all.return();
  expect(asked).toEqual([0, 1]);
});
