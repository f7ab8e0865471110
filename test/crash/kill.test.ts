import { expect, test } from 'vitest';
import { killRounds } from './killRounds.ts';

test('mirror, gc and compress, killed at random moments: nothing that was acknowledged is lost', async () => {
  const rounds = 12;
  const { killed, ended, stores } = await killRounds(rounds);
  expect(stores).toBeGreaterThan(0);
  // every second round has two processes
  expect(killed.mirror + killed.gc + killed.compress + ended).toBe(rounds + rounds / 2);
});
