/** Frames that lie in one block, with anything between them, against decoding them one by one. */
import { randomBytes } from 'node:crypto';
import { createZstdDecompress, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { decodeFrames, LEAST_GAP_BYTES, type PlacedFrame } from '../../src/store/frameDecoding.ts';
import { prose } from '../contracts/sampleBytes.ts';

interface Block {
  readonly block: Buffer;
  readonly frames: readonly PlacedFrame[];
}

/** Contents as frames, with noise of the given lengths before each of them, and after the last. */
function blockOf(contents: readonly Uint8Array[], gaps: readonly number[]): Block {
  const parts: Uint8Array[] = [];
  const frames: PlacedFrame[] = [];
  let at = 0;
  for (const [i, content] of contents.entries()) {
    const gap = randomBytes(gaps[i] ?? LEAST_GAP_BYTES);
    const frame = zstdCompressSync(content);
    at += gap.length;
    frames.push({ at, encodedSize: frame.length, size: content.length });
    at += frame.length;
    parts.push(gap, frame);
  }
  parts.push(randomBytes(10));
  return { block: Buffer.concat(parts), frames };
}

const SMALL = [prose(100), prose(3000, 2), prose(70, 3)];
// on another thread
const LARGE = [prose(200_000), prose(10, 2), prose(150_000, 3), new Uint8Array(256 * 1024)];

test('contents come one after the other', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 400 }),
    fc.integer({ min: 1, max: 100_000 }).map((length) => prose(length)),
  );
  const frame = fc.tuple(bytes, fc.integer({ min: LEAST_GAP_BYTES, max: 100 }));
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 12 }), async (all) => {
      const contents = all.map(([content]) => content);
      const { block, frames } = blockOf(
        contents,
        all.map(([, gap]) => gap),
      );
      const decoded = await decodeFrames(block, frames);
      expect(decoded?.equals(Buffer.concat(contents))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('no frames are no contents', async () => {
  expect((await decodeFrames(Buffer.alloc(0), []))?.length).toBe(0);
});

describe.each([
  ['little', SMALL],
  ['much', LARGE],
])('of %s', (_, contents) => {
  test('frames may touch the beginning of the block', async () => {
    const { block, frames } = blockOf(contents, [0]);
    const decoded = await decodeFrames(block, frames);
    expect(decoded?.equals(Buffer.concat(contents))).toBe(true);
  });

  test.each(contents.map((_, i) => i))('a damaged frame %i is no content', async (damaged) => {
    const { block, frames } = blockOf(contents, []);
    const at = frames[damaged]?.at ?? 0;
    // the magic number
    block[at] = (block[at] ?? 0) ^ 1;
    expect(await decodeFrames(block, frames)).toBeUndefined();
  });

  test.each([-1, 1])('a frame that is said to be %i longer than it is', async (more) => {
    const { block, frames } = blockOf(contents, []);
    const lies = frames.map((frame, i) =>
      i === 1 ? { ...frame, size: frame.size + more } : frame,
    );
    expect(await decodeFrames(block, lies)).toBeUndefined();
  });

  test('a frame that is cut off', async () => {
    const { block, frames } = blockOf(contents, []);
    const cut = frames.map((frame, i) =>
      i === frames.length - 1 ? { ...frame, encodedSize: frame.encodedSize - 3 } : frame,
    );
    expect(await decodeFrames(block, cut)).toBeUndefined();
  });
});

test.each([1000, 100_000])('a frame of 64 MiB that is said to hold %i bytes', async (size) => {
  const { block, frames } = blockOf([new Uint8Array(64 * 1024 * 1024)], []);
  const before = process.memoryUsage.rss();
  expect(
    await decodeFrames(
      block,
      frames.map((frame) => ({ ...frame, size })),
    ),
  ).toBeUndefined();
  expect(process.memoryUsage.rss() - before).toBeLessThan(32 * 1024 * 1024);
});

test('nothing looks at the block any more when what was decoded elsewhere is too long', async () => {
  const decoder = createZstdDecompress();
  // its native part, which node does not tell of: what is begun there goes on after the stream is destroyed
  const { _handle: native } = decoder as unknown as { _handle: { write(): void } };
  decoder.destroy();
  const begun = vi.spyOn(Object.getPrototypeOf(native) as typeof native, 'write');
  onTestFinished(() => begun.mockRestore());
  const { block, frames } = blockOf([new Uint8Array(4 * 1024 * 1024)], []);
  const lies = frames.map((frame) => ({ ...frame, size: 100_000 }));
  expect(await decodeFrames(block, lies)).toBeUndefined();
  // Node 24 decodes frame by frame, and there is nothing elsewhere
  expect(begun.mock.calls.length).toBeLessThanOrEqual(1);
});
