/**
 * `npm run crash -- [ROUNDS]`: kills `mirror`, `gc` and `compress` at that many random moments (300 by default), and tells what came
 * of it. The suite has a short run of the same.
 */
import { killRounds } from './killRounds.ts';

const rounds = Number(process.argv[2] ?? 300);
const startedAt = performance.now();
let done = 0;
const counts = await killRounds(rounds, Math.random, ({ killed, ended, stores }) => {
  done++;
  if (done % 10 === 0) {
    process.stderr.write(
      `${done} of ${rounds} rounds: killed ${killed.mirror} mirror, ${killed.gc} gc, ${killed.compress} compress; ${ended} had ended; ${stores} stores complete\n`,
    );
  }
});
const seconds = Math.round((performance.now() - startedAt) / 1000);
process.stdout.write(`${JSON.stringify({ rounds, ...counts, seconds }, undefined, 2)}\n`);
