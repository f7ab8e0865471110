/** Bytes changed in random places while the store is served; `scripts/sabotage.mjs` does more of it. */
import { expect, test } from 'vitest';
import { sabotage } from './sabotage.ts';

test.each([
  ['one byte at a time', 6, 1],
  ['many bytes at once', 1, 40],
])(
  '%s: found, healed, and nothing wrong is served',
  { timeout: 120_000 },
  async (_, rounds, flipsInRound) => {
    const tally = await sabotage({ rounds, flipsInRound, seed: 20 + flipsInRound });
    expect(tally.mattered).toBeGreaterThan(0);
    expect(tally).toMatchObject({
      found: tally.mattered,
      healed: tally.mattered,
      falseAlarms: 0,
      wrong: 0,
    });
    expect(tally.broken).toBeGreaterThan(0);
  },
);
