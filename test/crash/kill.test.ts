import { expect, test } from 'vitest';
import { killRounds } from './killRounds.ts';

test('mirror and gc, killed at random moments: nothing that was acknowledged is lost', async () => {
  const rounds = 9;
  const { killed, ended, stores } = await killRounds(rounds);
  expect(stores).toBeGreaterThan(0);
  // every third round has two processes
  expect(killed.mirror + killed.gc + ended).toBe(rounds + rounds / 3);
});
