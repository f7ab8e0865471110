/** Every stage once on a few kilobytes: that they run, not how fast. Needs no Nix and no network. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatBytes } from '../../src/bytes.ts';
import { SecretKey } from '../../src/signature.ts';
import { syntheticCache } from './data/syntheticCache.ts';
import { StageCosts } from './stages/stageCosts.ts';
import { stageData } from './stages/stageData.ts';

const FILE_BYTES = 100_000;
const PATHS = 3;

/** @param say told which stages cannot be measured here */
export async function smoke(say: (line: string) => void): Promise<StageCosts> {
  const secretKey = SecretKey.generate('narthex-bench-smoke-1').toString();
  const cache = syntheticCache({ paths: PATHS, layers: 2, fileBytes: FILE_BYTES, secretKey });
  const nars = Array.from({ length: PATHS }, (_, index) =>
    concatBytes([...(cache.file(`nar/${index}.nar`)?.pieces() ?? [])]),
  );
  const directory = await mkdtemp(join(tmpdir(), 'narthex-bench-smoke-'));
  try {
    const freshPath = async () => join(await mkdtemp(join(directory, 'new-')), 'x');
    const data = await stageData(nars, new Map(), say);
    return await StageCosts.measure(data, freshPath, { rounds: 3, secondsEach: 0 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
