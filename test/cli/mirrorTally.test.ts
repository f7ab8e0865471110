/** What is counted of a mirror run. */
import { expect, test } from 'vitest';
import { MirrorTally } from '../../src/cli/mirrorTally.ts';
import type { IngestEvent } from '../../src/httpService.ts';
import { eventsOf, NAR_MISSING } from './mirrorEvents.ts';

const one = eventsOf('one', 1000);
const two = eventsOf('two', 5000);

function tallyOf(...events: readonly IngestEvent[]) {
  let now = 0;
  const tally = new MirrorTally(() => now);
  now = 2000;
  for (const event of events) tally.add(event);
  now = 4000;
  const { found, failed, narBytesFound, narBytesDone, secondsLeft } = tally;
  const inFlight = tally.inFlight.map(([name, { narBytes }]) => [name.slice(33), narBytes]);
  return { found, failed, narBytesFound, narBytesDone, inFlight, secondsLeft };
}

test('nothing yet', () => {
  expect(tallyOf()).toEqual({
    found: 0,
    failed: 0,
    narBytesFound: 0,
    narBytesDone: 0,
    inFlight: [],
    secondsLeft: undefined,
  });
});

test('in the middle: the largest first, and how long it may take', () => {
  const events = [one.found, two.found, one.fetching, two.fetching];
  const { secondsLeft, ...counts } = tallyOf(...events, one.progress(400), two.progress(600));
  expect(counts).toEqual({
    found: 2,
    failed: 0,
    narBytesFound: 6000,
    narBytesDone: 1000,
    inFlight: [
      ['two', 600],
      ['one', 400],
    ],
  });
  // 1000 bytes in four seconds, 5000 to come
  expect(secondsLeft).toBeCloseTo(20);
});

test('content that was here already comes without progress', () => {
  expect(tallyOf(one.found, one.fetching, one.fetched)).toMatchObject({
    narBytesFound: 1000,
    narBytesDone: 1000,
    inFlight: [],
    secondsLeft: 0,
  });
});

test('a NAR that broke off and came again from elsewhere is one NAR', () => {
  const progress = [one.progress(900), one.progress(600), one.progress(400)];
  expect(tallyOf(one.found, one.fetching, ...progress)).toMatchObject({ narBytesDone: 1000 });
  expect(tallyOf(one.found, one.fetching, ...progress, one.fetched)).toMatchObject({
    narBytesDone: 1000,
  });
});

test.each([
  ['before it is fetched', []],
  ['while it is fetched', [one.fetching, one.progress(100)]],
])('what fails %s is not waited for', (_, events) => {
  const come = events.length === 0 ? 0 : 100;
  expect(tallyOf(one.found, two.found, ...events, one.failed(NAR_MISSING))).toMatchObject({
    failed: 1,
    narBytesFound: 5000 + come,
    narBytesDone: come,
    inFlight: [],
  });
});

test('a path that no cache has was never found', () => {
  const event = { type: 'failed', path: '0'.repeat(32), error: NAR_MISSING } as const;
  expect(tallyOf(event)).toMatchObject({ found: 0, failed: 1, narBytesFound: 0 });
});
